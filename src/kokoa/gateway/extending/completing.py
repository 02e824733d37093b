"""From what a partner wrote to what is composed: links and keys that were left out, and the labels of overrides.

A few lines are a subgraph: `extend type Product { rating: Float }`. What is added stands before the first character
or after the last line, so that the positions in messages stay the partner's own.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    FieldDefinitionNode,
    GraphQLError,
    NameNode,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    StringValueNode,
    Visitor,
    is_object_type,
    parse,
    print_ast,
    visit,
)
from graphql.language import ConstArgumentNode, ConstDirectiveNode, DirectiveDefinitionNode

from kokoa.gateway.extension import Target
from kokoa.gateway.supergraph import Supergraph
from kokoa.graphql.links import DIRECTIVES, FEDERATION_URL, Links, read_links
from kokoa.graphql.sdl import ROOTS, SDL_TOKENS_MAX
from kokoa.kernel.overrides import OverridePolicy

FEDERATION = "https://specs.apollo.dev/federation/v2.9"
_LABELS_SINCE = (2, 7)
ALL_PERCENT = 100.0


class NativeKey(msgspec.Struct, frozen=True):
    """A key of flat fields. fields: name → type, as SDL."""

    fields: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        return " ".join(name for name, _ in self.fields)


NativeKeys = Mapping[str, NativeKey]


def native_keys(supergraph: Supergraph) -> dict[str, NativeKey]:
    """By type: the key that a subgraph gets which names none. `id` where there are several."""
    found: dict[str, NativeKey] = {}
    for view in supergraph.subgraphs.values():
        for type_name in view.keys:
            named = view.schema.get_type(type_name)
            for key in view.resolvable_keys(type_name):
                if is_object_type(named) and not any(part.children or part.on for part in key.fields):
                    fields = tuple((part.name, str(named.fields[part.name].type)) for part in key.fields)
                    if type_name not in found or fields[0][0] == "id":
                        found[type_name] = NativeKey(fields)
    return found


def completed(sdl: str, target: Target, keys: NativeKeys) -> str:
    """The SDL with a link to federation, and for a function of fields with the keys of the types that it extends.

    Text that cannot be read stays as it is: composition says what is wrong with it.
    """
    try:
        document = parse(sdl, max_tokens=SDL_TOKENS_MAX)
        links = read_links(document)
    except GraphQLError:
        return sdl
    if not links.is_federation_2:
        used = sorted(_used(document))
        wanted = sorted({*used, "key"}) if target == "fields" else used
        imports = ", ".join(f'"@{name}"' for name in wanted)
        sdl = f'extend schema @link(url: "{FEDERATION}", import: [{imports}]) {sdl}'
        key = "key"
    else:
        key = next(here for here, known in reversed(links.directives.items()) if known == "key")
    if target != "fields":
        return sdl
    extensions = list(_missing_keys(document, links, keys, key))
    return "\n".join([sdl, *extensions])


def _used(document: DocumentNode) -> set[str]:
    """Federation's directives that are used and not defined."""
    found: set[str] = set()

    class Names(Visitor):
        def enter_directive(self, node: Any, *_: Any) -> None:
            found.add(node.name.value)

    visit(document, Names())
    own = {one.name.value for one in document.definitions if isinstance(one, DirectiveDefinitionNode)}
    return (found & DIRECTIVES.keys()) - own


def _missing_keys(document: DocumentNode, links: Links, keys: NativeKeys, key: str) -> Iterator[str]:
    """An extension for each type whose native key the SDL does not mention."""
    fields: dict[str, set[str]] = {}
    keyed: set[str] = set()
    for node in document.definitions:
        if isinstance(node, ObjectTypeDefinitionNode | ObjectTypeExtensionNode):
            name = node.name.value
            fields.setdefault(name, set()).update(one.name.value for one in node.fields or ())
            if any(links.directives.get(one.name.value, one.name.value) == "key" for one in node.directives or ()):
                keyed.add(name)
    for name, present in fields.items():
        native = keys.get(name)
        if native is None or name in keyed or name in ROOTS.values():
            continue
        lacking = " ".join(f"{field}: {kind}" for field, kind in native.fields if field not in present)
        body = f" {{ {lacking} }}" if lacking else ""
        yield f'extend type {name} @{key}(fields: "{native.text}"){body}'


def with_labels(sdl: str, policies: Mapping[str, OverridePolicy]) -> str:
    """The SDL with a label for each override that not all customers get. policies: by `Type.field`.

    It is unchanged when all of them do. The SDL is one that composed.
    """
    shares = {where: one.percent for where, one in policies.items() if one.percent < ALL_PERCENT}
    if not shares:
        return sdl
    document = parse(sdl, max_tokens=SDL_TOKENS_MAX)
    writer = _Labels(read_links(document), shares)
    labelled: DocumentNode = visit(document, writer)
    return print_ast(labelled) if writer.written else sdl


class _Labels(Visitor):
    def __init__(self, links: Links, shares: Mapping[str, float]) -> None:
        super().__init__()
        self._links = links
        self._shares = shares
        self._type = ""
        self.written = False

    def enter_object_type_definition(self, node: Any, *_: Any) -> None:
        self._type = node.name.value

    enter_object_type_extension = enter_object_type_definition

    def enter_directive(self, node: Any, *_: Any) -> Any:
        if node.name.value == "link" and self._links.version < _LABELS_SINCE:
            return _with_argument(node, "url", FEDERATION) if _links_federation(node) else None
        return None

    def enter_field_definition(self, node: FieldDefinitionNode, *_: Any) -> Any:
        percent = self._shares.get(f"{self._type}.{node.name.value}")
        if percent is None:
            return None
        directives = tuple(
            _with_argument(one, "label", f"percent({percent:.8f}".rstrip("0").rstrip(".") + ")")
            if self._links.directives.get(one.name.value) == "override"
            else one
            for one in node.directives or ()
        )
        self.written = True
        values = {key: getattr(node, key) for key in node.keys if hasattr(node, key)}
        return FieldDefinitionNode(**{**values, "directives": directives})


def _links_federation(node: ConstDirectiveNode) -> bool:
    return any(
        one.name.value == "url" and isinstance(one.value, StringValueNode) and FEDERATION_URL.match(one.value.value)
        for one in node.arguments or ()
    )


def _with_argument(node: ConstDirectiveNode, name: str, text: str) -> ConstDirectiveNode:
    kept = tuple(one for one in node.arguments or () if one.name.value != name)
    argument = ConstArgumentNode(name=NameNode(value=name), value=StringValueNode(value=text))
    return ConstDirectiveNode(name=node.name, arguments=(*kept, argument))
