"""`@link`: which federation names an SDL speaks, and under which names (link v1.0, federation v2).

Without a `@link` to the federation specification an SDL is read as Federation 1, as every composer does.
"""

import re
from collections.abc import Iterator

import msgspec
from graphql import (
    ConstDirectiveNode,
    DocumentNode,
    GraphQLError,
    ListValueNode,
    Node,
    ObjectValueNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    StringValueNode,
)
from graphql.language import ValueNode

FEDERATION_URL = re.compile(r"^https://specs\.apollo\.dev/federation/v(\d+)\.(\d+)/?$")
LINK_URL = re.compile(r"^https://specs\.apollo\.dev/link/v\d+\.\d+/?$")
_SPEC_NAME = re.compile(r"/([A-Za-z_][A-Za-z0-9_-]*)(?:/v\d+\.\d+)?/?$")

# Name → arguments and locations. `@link` and `@core` belong to the link specification itself.
DIRECTIVES: dict[str, str] = {
    "key": "(fields: {FieldSet}!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE",
    "external": "(reason: String) on OBJECT | FIELD_DEFINITION",
    "requires": "(fields: {FieldSet}!) on FIELD_DEFINITION",
    "provides": "(fields: {FieldSet}!) on FIELD_DEFINITION",
    "extends": " on OBJECT | INTERFACE",
    "shareable": " repeatable on OBJECT | FIELD_DEFINITION",
    "override": "(from: String!, label: String) on FIELD_DEFINITION",
    "inaccessible": " on FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR"
    " | ENUM | ENUM_VALUE | INPUT_OBJECT | INPUT_FIELD_DEFINITION",
    "tag": "(name: String!) repeatable on FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION"
    " | SCALAR | ENUM | ENUM_VALUE | INPUT_OBJECT | INPUT_FIELD_DEFINITION | SCHEMA",
    "composeDirective": "(name: String!) repeatable on SCHEMA",
    "interfaceObject": " on OBJECT",
    "authenticated": " on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM",
    "requiresScopes": "(scopes: [[{Scope}!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM",
    "policy": "(policies: [[{Policy}!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM",
    "context": "(name: String!) repeatable on INTERFACE | OBJECT | UNION",
    "fromContext": "(field: {ContextFieldValue}) on ARGUMENT_DEFINITION",
    "cost": "(weight: Int!) on ARGUMENT_DEFINITION | ENUM | FIELD_DEFINITION | INPUT_FIELD_DEFINITION"
    " | OBJECT | SCALAR",
    "listSize": "(assumedSize: Int, slicingArguments: [String!], sizedFields: [String!],"
    " requireOneSlicingArgument: Boolean = true) on FIELD_DEFINITION",
}
# The version of federation that brought a name; the others are as old as v2.0.
SINCE: dict[str, tuple[int, int]] = {
    "composeDirective": (2, 1),
    "interfaceObject": (2, 3),
    "authenticated": (2, 5),
    "requiresScopes": (2, 5),
    "Scope": (2, 5),
    "policy": (2, 6),
    "Policy": (2, 6),
    "context": (2, 8),
    "fromContext": (2, 8),
    "ContextFieldValue": (2, 8),
    "cost": (2, 9),
    "listSize": (2, 9),
}
NEWEST = (2, 14)
SCALARS = ("FieldSet", "Scope", "Policy", "ContextFieldValue")
FEDERATION_1 = ("key", "external", "requires", "provides", "extends", "tag", "inaccessible", "requiresScopes")


class SdlRefused(GraphQLError):
    """SDL that is against a rule of federation. code: the rule's standard one."""

    def __init__(self, code: str, message: str, nodes: Node | None = None) -> None:
        super().__init__(message, nodes)
        self.code = code


class Links(msgspec.Struct, frozen=True):
    """What one SDL imports.

    version: (2, 3) for federation v2.3, (1, 0) without a link.  directives: name in this SDL → federation's
    name.  scalars: likewise.  imported: the directives among them that were imported by name.
    foreign: name in this SDL → its specification, for links to anything else.
    foreign_names: of these, name in this SDL → name in the specification, for imported directives.
    """

    version: tuple[int, int]
    directives: dict[str, str]
    scalars: dict[str, str]
    foreign: dict[str, str]
    imported: frozenset[str] = frozenset()
    foreign_names: dict[str, str] = {}

    @property
    def is_federation_2(self) -> bool:
        return self.version[0] >= 2

    def scalar_name(self, scalar: str) -> str:
        """What this SDL calls one of federation's scalars."""
        return next(local for local, known in self.scalars.items() if known == scalar)


def _link_directives(document: DocumentNode) -> Iterator[ConstDirectiveNode]:
    for definition in document.definitions:
        if isinstance(definition, SchemaDefinitionNode | SchemaExtensionNode):
            for directive in definition.directives or ():
                if directive.name.value == "link":
                    yield directive


def _text(value: ValueNode | None) -> str:
    return value.value if isinstance(value, StringValueNode) else ""


def _imports(value: ValueNode | None, at: ConstDirectiveNode) -> Iterator[tuple[str, str]]:
    """Pairs (name in the specification, name here) of an `import` argument; directives keep their `@`."""
    if value is None:
        return
    if not isinstance(value, ListValueNode):
        message = '@link(import:) takes a list of names, for example import: ["@key"].'
        raise SdlRefused("INVALID_LINK_DIRECTIVE_USAGE", message, at)
    for one in value.values:
        if isinstance(one, StringValueNode):
            yield one.value, one.value
        elif isinstance(one, ObjectValueNode):
            fields = {field.name.value: _text(field.value) for field in one.fields}
            name, here = fields.get("name", ""), fields.get("as") or fields.get("name", "")
            if name.startswith("@") != here.startswith("@"):
                message = f"@link imports {name!r} as {here!r}: both need an @, or neither."
                raise SdlRefused("INVALID_LINK_DIRECTIVE_USAGE", message, at)
            yield name, here
        else:
            message = "@link(import:) takes names, or objects { name:, as: }."
            raise SdlRefused("INVALID_LINK_DIRECTIVE_USAGE", message, at)


def _federation_2(directive: ConstDirectiveNode, version: tuple[int, int]) -> Links:
    arguments = {one.name.value: one.value for one in directive.arguments or ()}
    prefix = _text(arguments.get("as")) or "federation"
    new = {name for name, since in SINCE.items() if since > version}
    directives = {f"{prefix}__{name}": name for name in DIRECTIVES if name not in new}
    scalars = {f"{prefix}__{name}": name for name in SCALARS}
    imported: set[str] = set()
    for name, here in _imports(arguments.get("import"), directive):
        bare = name.removeprefix("@")
        if bare not in (DIRECTIVES if name.startswith("@") else SCALARS) or bare in new:
            since = f" It came with v{SINCE[bare][0]}.{SINCE[bare][1]}." if bare in new else ""
            message = f"Federation v{version[0]}.{version[1]} has nothing called {name!r} to import.{since}"
            raise SdlRefused("INVALID_LINK_DIRECTIVE_USAGE", message, directive)
        if name.startswith("@"):
            directives[here.removeprefix("@")] = bare
            imported.add(here.removeprefix("@"))
        else:
            scalars[here] = bare
    local_scalars = {known: here for here, known in scalars.items()}
    return Links(version, directives, {here: known for known, here in local_scalars.items()}, {}, frozenset(imported))


def read_links(document: DocumentNode) -> Links:
    """The links of an SDL. Raises GraphQLError for a link that cannot be understood."""
    federation: Links | None = None
    foreign: dict[str, str] = {}
    foreign_names: dict[str, str] = {}
    for directive in _link_directives(document):
        arguments = {one.name.value: one.value for one in directive.arguments or ()}
        url = _text(arguments.get("url"))
        match = FEDERATION_URL.match(url)
        if match:
            version = (int(match[1]), int(match[2]))
            if version[0] != 2 or version > NEWEST:
                message = f"{url} is not supported: link to federation v2.0 to v2.{NEWEST[1]}."
                raise SdlRefused("UNKNOWN_FEDERATION_LINK_VERSION", message, directive)
            federation = _federation_2(directive, version)
        elif not LINK_URL.match(url):
            named = _SPEC_NAME.search(url)
            spec = _text(arguments.get("as")) or (named[1] if named else "")
            for name, here in _imports(arguments.get("import"), directive):
                foreign[here.removeprefix("@")] = url
                if name.startswith("@"):
                    foreign_names[here.removeprefix("@")] = name.removeprefix("@")
            if spec:
                foreign[spec] = url
    if federation is not None:
        return msgspec.structs.replace(federation, foreign=foreign, foreign_names=foreign_names)
    return Links(
        version=(1, 0),
        directives={name: name for name in FEDERATION_1},
        scalars={"_FieldSet": "FieldSet", "_Scope": "Scope"},
        foreign=foreign,
        foreign_names=foreign_names,
    )
