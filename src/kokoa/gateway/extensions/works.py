"""What one document for an extension is about: which of its fields override, and what to ask instead of each. Pure.

    Work     a document, taken apart
    Site     a field of it that overrides a native one, with the field as the native subgraph is asked for it
    Hoist    fields of objects further down, that are asked for by key afterwards

Overrides below other fields (`recommended { price }`) are *hoisted*: the extension is asked for the objects' keys,
and then for the fields by key. So every override stands at the root or on an entity with a representation, and the
native subgraph can be asked for it in the same way.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from graphql import (
    ArgumentNode,
    FieldNode,
    GraphQLNonNull,
    GraphQLObjectType,
    InlineFragmentNode,
    NameNode,
    OperationDefinitionNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_interface_type,
    is_object_type,
    parse,
    print_ast,
)
from graphql.language import SelectionNode, SelectionSetNode

from kokoa.gateway.extension import Extension
from kokoa.gateway.fieldset import FieldSet
from kokoa.gateway.supergraph import SubgraphView, Supergraph
from kokoa.graphql.lru import Lru
from kokoa.kernel.overrides import OverridePolicy

WORKS_MAX = 1_000
WORKS_CHARACTERS_MAX = 1_000_000
ROOTS = {"query": "Query", "mutation": "Mutation", "subscription": "Subscription"}
ENTITIES = "_entities"
OWN_PREFIX = "_kokoa_"
OWN_TYPENAME = f"{OWN_PREFIX}typename"


class Site(msgspec.Struct, frozen=True, eq=False):
    """group: response key of its `_entities`, empty at the root.  key: its response key.

    native: the subgraph that had the field.  native_node: None where that subgraph cannot be asked for it.
    required: null is no answer.
    """

    group: str
    type_name: str
    key: str
    coordinate: str
    native: str
    policy: OverridePolicy
    required: bool
    native_node: FieldNode | None


class Hoist(msgspec.Struct, frozen=True, eq=False):
    """path: response keys from the root or the entity to the objects.  names: of the key's fields.

    text: asks the extension for the fields `keys` of these objects.
    """

    group: str
    path: tuple[str, ...]
    type_name: str
    names: tuple[str, ...]
    text: str
    variables: tuple[str, ...]
    keys: tuple[str, ...]


class Work(msgspec.Struct, frozen=True, eq=False):
    """groups: response key of `_entities` → variable of its representations; empty for a root document.

    text: for the extension, without what is in shadow; empty if nothing is left.  shadow_text: what is in shadow.
    plain: (group, type) → response keys that override nothing.  variables: the document's own, as declared.
    """

    kind: str
    groups: Mapping[str, str]
    text: str
    shadow_text: str
    plain: Mapping[tuple[str, str], tuple[str, ...]]
    sites: tuple[Site, ...]
    shadows: tuple[Site, ...]
    hoists: tuple[Hoist, ...]
    declared: Mapping[str, str]

    @property
    def is_mutation(self) -> bool:
        return self.kind == "mutation"


Selected = Mapping[tuple[str, str], Sequence[FieldNode | InlineFragmentNode]]
"""(group, type) → what is asked of it."""


def write(
    kind: str, groups: Mapping[str, str], selected: Selected, declared: Mapping[str, str]
) -> tuple[str, tuple[str, ...]]:
    """A document that asks for these fields, and the names of the client's variables that it uses."""
    used = dict.fromkeys(name for nodes in selected.values() for node in nodes for name in _variables_of(node))
    names = tuple(name for name in declared if name in used)
    declarations = [declared[name] for name in names]
    body: list[str] = []
    for group in dict.fromkeys(group for group, _ in selected):
        inside = {type_name: nodes for (one, type_name), nodes in selected.items() if one == group}
        if not group:
            body += [print_ast(node) for nodes in inside.values() for node in nodes]
            continue
        variable = groups[group]
        declarations.append(f"${variable}: [_Any!]!")
        body.append(f"{group}: {ENTITIES}" if group != ENTITIES else ENTITIES)
        body[-1] += f"(representations: ${variable}) {{"
        body += [f"... on {type_name} {{ {' '.join(map(print_ast, nodes))} }}" for type_name, nodes in inside.items()]
        body.append("}")
    head = f"{kind}({', '.join(declarations)})" if declarations else kind
    return "\n".join((f"{head} {{", *body, "}")), names


def _variables_of(node: Any) -> Iterator[str]:
    if isinstance(node, VariableNode):
        yield node.name.value
        return
    for key in node.keys:
        value = getattr(node, key, None)
        for one in value if isinstance(value, list | tuple) else (value,):
            if hasattr(one, "keys") and hasattr(one, "kind"):
                yield from _variables_of(one)


def key_of(node: FieldNode) -> str:
    """The response key."""
    return node.alias.value if node.alias else node.name.value


def _with(node: Any, **changes: Any) -> Any:
    return type(node)(**{key: getattr(node, key) for key in node.keys if hasattr(node, key)} | changes)


def _fields(selections: SelectionSetNode, type_name: str) -> Iterator[tuple[str, FieldNode]]:
    """(type, field) of one level, fragments opened. The planner writes no others."""
    for node in selections.selections:
        if isinstance(node, FieldNode):
            yield type_name, node
        elif isinstance(node, InlineFragmentNode):
            below = node.type_condition.name.value if node.type_condition else type_name
            yield from _fields(node.selection_set, below)


def _names(fields: FieldSet) -> tuple[str, ...]:
    return tuple(part.name for part in fields)


class Reader:
    """Takes documents for one extension apart, and remembers. natives: subgraphs that can be asked instead."""

    def __init__(self, supergraph: Supergraph, extension: Extension, natives: frozenset[str]) -> None:
        self._supergraph = supergraph
        self._view = supergraph.subgraphs[extension.name]
        self._works: Lru[str, tuple[Work | None]] = Lru(WORKS_MAX, WORKS_CHARACTERS_MAX, len)
        self.overrides: dict[tuple[str, str], tuple[str, OverridePolicy]] = {}
        for (type_name, field_name), join in self._view.joins.items():
            native = supergraph.subgraphs.get(join.override_from)
            if native is not None and join.override_from in natives and (type_name, field_name) in native.joins:
                policy = extension.policies.get(f"{type_name}.{field_name}", OverridePolicy())
                self.overrides[type_name, field_name] = (join.override_from, policy)

    def work(self, document: str) -> Work | None:
        """None where nothing in the document overrides anything."""
        return self._works.get_or_make(document, lambda: (self._read(document),))[0]

    def key_names(self, type_name: str, native: str) -> tuple[tuple[str, ...], ...]:
        """The keys by which the native subgraph finds objects of the type."""
        return tuple(_names(key.fields) for key in self._supergraph.subgraphs[native].resolvable_keys(type_name))

    def shared_key(self, type_name: str, native: str) -> FieldSet | None:
        """A key by which both the extension and the native subgraph find objects of the type."""
        unknown = self.unknown_keys(type_name, native)
        for key in self._view.resolvable_keys(type_name):
            if key.text not in unknown and not any(part.on for part in key.fields):
                return key.fields
        return None

    def unknown_keys(self, type_name: str, native: str) -> list[str]:
        """The extension's keys by which the native subgraph does not find objects of the type."""
        view = self._supergraph.subgraphs[native]
        theirs = {frozenset(map(str, one.fields)) for one in view.resolvable_keys(type_name)}
        ours = self._view.resolvable_keys(type_name)
        return [one.text for one in ours if frozenset(map(str, one.fields)) not in theirs]

    def _read(self, document: str) -> Work | None:
        if not self.overrides:
            return None
        operation = parse(document, no_location=True).definitions[0]
        assert isinstance(operation, OperationDefinitionNode)
        kind = operation.operation.value
        if kind == "subscription":
            return None
        work = _Taken(self, self._view, self._supergraph, operation).work(kind)
        return work if work.sites or work.shadows or work.hoists else None


class _Taken:
    """One document on its way to a Work."""

    def __init__(
        self, reader: Reader, view: SubgraphView, supergraph: Supergraph, operation: OperationDefinitionNode
    ) -> None:
        self._reader = reader
        self._view = view
        self._supergraph = supergraph
        self._operation = operation
        self._declared = {
            one.variable.name.value: f"${one.variable.name.value}: {print_ast(one.type)}"
            + (f" = {print_ast(one.default_value)}" if one.default_value else "")
            for one in operation.variable_definitions or ()
        }
        self._hoisted: dict[tuple[str, tuple[str, ...], str], list[FieldNode]] = {}
        self._hoist_keys: dict[tuple[str, tuple[str, ...], str], FieldSet] = {}

    def work(self, kind: str) -> Work:
        groups: dict[str, str] = {}
        main: dict[tuple[str, str], list[FieldNode | InlineFragmentNode]] = {}
        shadow: dict[tuple[str, str], list[FieldNode]] = {}
        plain: dict[tuple[str, str], list[str]] = {}
        sites: list[Site] = []
        shadows: list[Site] = []
        for group, type_name, node in self._top(kind, groups):
            place = (group, type_name)
            if isinstance(node, InlineFragmentNode):
                main.setdefault(place, []).append(self._opened(node, group))
                plain.setdefault(place, []).extend(key_of(one) for _, one in _fields(node.selection_set, type_name))
                continue
            found = self._reader.overrides.get((type_name, node.name.value))
            rewritten = self._rewrite(node, type_name, group, (), found[0] if found else "")
            if found is None:
                main.setdefault(place, []).append(rewritten)
                if node.name.value != "__typename":
                    plain.setdefault(place, []).append(key_of(node))
                continue
            site = self._site(group, type_name, rewritten, *found)
            if site.policy.shadow:
                shadow.setdefault(place, []).append(rewritten)
                shadows.append(site)
            else:
                main.setdefault(place, []).append(rewritten)
                sites.append(site)
        for (group, type_name), nodes in main.items():
            if group and is_interface_type(self._view.schema.get_type(type_name)):
                nodes.append(FieldNode(name=NameNode(value="__typename")))  # so that the answer can be checked
        return Work(
            kind=kind,
            groups=groups,
            text=write(kind, groups, main, self._declared)[0] if main else "",
            shadow_text=write(kind, groups, shadow, self._declared)[0] if shadow else "",
            plain={place: tuple(keys) for place, keys in plain.items()},
            sites=tuple(sites),
            shadows=tuple(shadows),
            hoists=tuple(self._hoist(*where) for where in self._hoisted),
            declared={name: text for name, text in self._declared.items() if name not in groups.values()},
        )

    def _top(self, kind: str, groups: dict[str, str]) -> Iterator[tuple[str, str, FieldNode | InlineFragmentNode]]:
        """(group, type, field) of everything that has a place of its own; fills in the groups.

        What is asked of some of an interface's objects only, by a fragment, comes as that.
        """
        for root, node in _fields(self._operation.selection_set, ROOTS[kind]):
            if node.name.value != ENTITIES:
                yield "", root, node
                continue
            variable = next(one.value for one in node.arguments or () if one.name.value == "representations")
            assert isinstance(variable, VariableNode)
            assert node.selection_set is not None
            groups[key_of(node)] = variable.name.value
            for fragment in node.selection_set.selections:
                assert isinstance(fragment, InlineFragmentNode)
                assert fragment.type_condition is not None
                for one in fragment.selection_set.selections:
                    assert isinstance(one, FieldNode | InlineFragmentNode)
                    yield key_of(node), fragment.type_condition.name.value, one

    def _opened(self, node: InlineFragmentNode, group: str) -> InlineFragmentNode:
        """A fragment on some of an interface's objects: what overrides in it is asked for by their own keys."""
        named = node.type_condition.name.value if node.type_condition else ""
        below = self._below(node.selection_set, named, group, (), "")
        return _with(node, selection_set=below)  # type: ignore[no-any-return]  # the same kind of node

    def _site(self, group: str, type_name: str, node: FieldNode, native: str, policy: OverridePolicy) -> Site:
        view = self._supergraph.subgraphs[native]
        reachable = not group or (type_name in view.keys and self._reader.key_names(type_name, native))
        holder = self._supergraph.full.type_map[type_name]
        assert isinstance(holder, GraphQLObjectType)
        return Site(
            group=group,
            type_name=type_name,
            key=key_of(node),
            coordinate=f"{type_name}.{node.name.value}",
            native=native,
            policy=policy,
            required=isinstance(holder.fields[node.name.value].type, GraphQLNonNull),
            native_node=_as_known(node, view, type_name) if reachable else None,
        )

    # Hoisting: what stands below another field and could be asked for by key is taken out.

    def _rewrite(self, node: FieldNode, type_name: str, group: str, path: tuple[str, ...], below: str) -> FieldNode:
        """below: the native subgraph that may answer a field further up instead of the extension; empty for none."""
        holder = self._view.schema.get_type(type_name)
        if node.selection_set is None or not (is_object_type(holder) or is_interface_type(holder)):
            return node
        field = holder.fields.get(node.name.value)
        if field is None:
            return node
        named = get_named_type(field.type).name
        selections = self._below(node.selection_set, named, group, (*path, key_of(node)), below)
        return _with(node, selection_set=selections)  # type: ignore[no-any-return]  # the same kind of node

    def _below(
        self, selections: SelectionSetNode, type_name: str, group: str, path: tuple[str, ...], below: str
    ) -> SelectionSetNode:
        kept: list[SelectionNode] = []
        for node in selections.selections:
            if isinstance(node, InlineFragmentNode):
                named = node.type_condition.name.value if node.type_condition else type_name
                kept.append(_with(node, selection_set=self._below(node.selection_set, named, group, path, below)))
            elif isinstance(node, FieldNode):
                key = self._key_to_hoist(type_name, node.name.value, below)
                if key is None:
                    kept.append(self._rewrite(node, type_name, group, path, below))
                else:
                    self._hoisted.setdefault((group, path, type_name), []).append(node)
                    self._hoist_keys[group, path, type_name] = key
        key = self._hoist_keys.get((group, path, type_name))
        if key is not None:
            kept += _key_nodes(type_name, key)
        if is_abstract_type(self._view.schema.get_type(type_name)):
            kept.append(FieldNode(name=NameNode(value="__typename")))  # so that the answer can be checked
        return SelectionSetNode(selections=tuple(kept))

    def _key_to_hoist(self, type_name: str, field_name: str, below: str) -> FieldSet | None:
        if type_name not in self._view.keys or not is_object_type(self._view.schema.get_type(type_name)):
            return None
        found = self._reader.overrides.get((type_name, field_name))
        if found is not None:
            policy = found[1]
            return self._reader.shared_key(type_name, found[0]) if policy.fallback or policy.shadow else None
        join = self._view.joins.get((type_name, field_name))
        if not below or join is None or join.is_key or join.external:
            return None
        known = (type_name, field_name) in self._supergraph.subgraphs[below].joins
        return None if known else self._reader.shared_key(type_name, below)

    def _hoist(self, group: str, path: tuple[str, ...], type_name: str) -> Hoist:
        nodes = self._hoisted[group, path, type_name]
        variable = "representations"
        while variable in self._declared:
            variable = f"_{variable}"
        selected = {(ENTITIES, type_name): nodes}
        text, variables = write("query", {ENTITIES: variable}, selected, self._declared)
        names = _names(self._hoist_keys[group, path, type_name])
        keys = tuple(key_of(node) for node in nodes)
        return Hoist(group, path, type_name, names, text, (variable, *variables), keys)


def _key_nodes(type_name: str, key: FieldSet) -> list[FieldNode]:
    parts = [f"{OWN_PREFIX}{type_name}_{part.name}: {part}" for part in key]
    operation = parse(f"{{ {OWN_TYPENAME}: __typename {' '.join(parts)} }}", no_location=True).definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    return [node for node in operation.selection_set.selections if isinstance(node, FieldNode)]


def _as_known(node: FieldNode, view: SubgraphView, type_name: str) -> FieldNode | None:
    """The field with what a subgraph knows of its arguments and of what is selected below; None if it is unknown."""
    if node.name.value == "__typename":
        return node
    holder = view.schema.get_type(type_name)
    field = holder.fields.get(node.name.value) if is_object_type(holder) or is_interface_type(holder) else None
    if field is None or (type_name, node.name.value) not in view.joins:
        return None
    arguments: tuple[ArgumentNode, ...] = tuple(one for one in node.arguments or () if one.name.value in field.args)
    named = get_named_type(field.type)
    if node.selection_set is None or not is_composite_type(named):
        return _with(node, arguments=arguments)  # type: ignore[no-any-return]  # the same kind of node
    known = _set_as_known(node.selection_set, view, named.name)
    return _with(node, arguments=arguments, selection_set=known)  # type: ignore[no-any-return]  # as above


def _set_as_known(selections: SelectionSetNode, view: SubgraphView, type_name: str) -> SelectionSetNode:
    kept: list[SelectionNode] = []
    for node in selections.selections:
        if isinstance(node, FieldNode):
            known = _as_known(node, view, type_name)
            kept += [known] if known is not None else []
        elif isinstance(node, InlineFragmentNode):
            named = node.type_condition.name.value if node.type_condition else type_name
            if is_composite_type(view.schema.get_type(named)):
                kept.append(_with(node, selection_set=_set_as_known(node.selection_set, view, named)))
    if not kept:
        kept.append(FieldNode(alias=NameNode(value=f"{OWN_PREFIX}none"), name=NameNode(value="__typename")))
    return SelectionSetNode(selections=tuple(kept))
