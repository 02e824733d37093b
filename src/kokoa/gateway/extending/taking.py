"""What a partner's subgraph takes of a graph: the types it defines, the parts of others' types it adds or answers.

Keys and what is `@external` are mentioned, not taken; so are enum values, members and input fields that are there,
and the fields of shareable values without a key, which reach nobody but through the subgraph's own fields.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from graphql import (
    EnumTypeDefinitionNode,
    EnumTypeExtensionNode,
    GraphQLNamedType,
    UnionTypeDefinitionNode,
    UnionTypeExtensionNode,
    is_enum_type,
    is_input_object_type,
    is_interface_type,
    is_object_type,
    is_union_type,
)
from graphql.language import TypeDefinitionNode, TypeExtensionNode

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.subgraphs import ROOTS, machinery_names
from kokoa.gateway.compose.usage import provided_fields
from kokoa.gateway.supergraph import SubgraphView
from kokoa.graphql.scopes import requirements_of
from kokoa.graphql.sdl import SubgraphDocument

DEFINITIONS_MAX = 2_000

# What may stand on something that is only mentioned: it changes nothing for others.
_STRUCTURAL = frozenset(
    (
        "key",
        "external",
        "shareable",
        "extends",
        "requires",
        "provides",
        "override",
        "interfaceObject",
        "specifiedBy",
        "cacheControl",
    )
)
_WITH_VALUES = (EnumTypeDefinitionNode, EnumTypeExtensionNode)
_WITH_TYPES = (UnionTypeDefinitionNode, UnionTypeExtensionNode)


class Taken(msgspec.Struct, frozen=True):
    """needs: `Type` or `Type.part`, each once.  problems: what no grant allows."""

    needs: tuple[str, ...]
    problems: tuple[Problem, ...]


def taken(document: SubgraphDocument, view: SubgraphView, others: Sequence[SubgraphView]) -> Taken:
    """others: everything else but the partner's own subgraphs."""
    if len(document.ast.definitions) > DEFINITIONS_MAX:
        message = f"[{view.name}] A subgraph has at most {DEFINITIONS_MAX} definitions. Make two of it."
        return Taken((), (Problem("TOO_LARGE", message, (view.name,)),))
    known = _known(others)
    needs: dict[str, None] = {}
    machinery = machinery_names(view)
    for node in document.ast.definitions:
        if isinstance(node, TypeDefinitionNode | TypeExtensionNode) and node.name.value not in machinery:
            name = node.name.value
            found = _parts(node, view, others, known[name]) if name in known or name in ROOTS else (name,)
            needs.update(dict.fromkeys(found))
    for type_name, field in sorted(provided_fields(view.schema, view.joins)):
        join = view.joins.get((type_name, field))
        is_value = type_name not in ROOTS and _is_shared_value(view, others, type_name, field)
        if type_name in known and not (join is not None and join.is_key) and not is_value:
            needs[f"{type_name}.{field}"] = None
    return Taken(tuple(needs), tuple(_refused(view)))


def _refused(view: SubgraphView) -> Iterator[Problem]:
    for (type_name, field), join in view.joins.items():
        if join.override_label:
            message = (
                f"[{view.name}] {type_name}.{field} has @override with a label. The store's owner decides how many "
                "customers get an override: remove the label."
            )
            yield Problem("OVERRIDE_LABEL_REFUSED", message, (view.name,))
    if view.composes:
        message = (
            f"[{view.name}] @composeDirective brings a directive into the graph of everybody. Remove it: the "
            "subgraph's own directives may stay."
        )
        yield Problem("COMPOSE_DIRECTIVE_REFUSED", message, (view.name,))


class _Known(msgspec.Struct):
    """A type as the others have it together."""

    parts: set[str]
    scoped: set[str]


def _known(others: Iterable[SubgraphView]) -> Mapping[str, _Known]:
    found: dict[str, _Known] = {root: _Known(set(), set()) for root in ROOTS}
    for view in others:
        machinery = machinery_names(view)
        for name, named in view.schema.type_map.items():
            if not name.startswith("__") and name not in machinery:
                found.setdefault(name, _Known(set(), set())).parts.update(_parts_of(view, named))
        for coordinate in requirements_of(view.schema):
            type_name, _, part = coordinate.partition(".")
            found[type_name].scoped.add(part)
    return found


def _parts_of(view: SubgraphView, named: GraphQLNamedType) -> Iterator[str]:
    if is_object_type(named) or is_interface_type(named):
        yield from (one for one in named.fields if (named.name, one) in view.joins)
        yield from (one.name for one in named.interfaces)
    elif is_input_object_type(named):
        yield from named.fields
    elif is_enum_type(named):
        yield from named.values
    elif is_union_type(named):
        yield from (one.name for one in named.types)


def _parts(node: Any, view: SubgraphView, others: Sequence[SubgraphView], known: _Known) -> Iterator[str]:
    """What one definition or extension takes of a type of others."""
    name = node.name.value
    if _is_marked(node):
        yield f"{name}.*"
    yield from (f"{name}.{one.name.value}" for one in _listed(node) if one.name.value not in known.parts)
    yield from (f"{name}.{one.name.value}" for one in _values(node) if _is_new(one, known))
    for field in getattr(node, "fields", None) or ():
        part = field.name.value
        join = view.joins.get((name, part))
        if join is None:  # of an input type
            if _is_new(field, known):
                yield f"{name}.{part}"
            continue
        is_mentioned = (join.external and part not in known.scoped) or join.is_key
        is_mentioned = is_mentioned or (name not in ROOTS and _is_shared_value(view, others, name, part))
        if join.override_from or not is_mentioned or _is_new(field, known):
            yield f"{name}.{part}"


def _listed(node: Any) -> tuple[Any, ...]:
    """Interfaces that the type has, members of the union."""
    types = node.types if isinstance(node, _WITH_TYPES) else ()
    return (*(getattr(node, "interfaces", None) or ()), *(types or ()))


def _values(node: Any) -> tuple[Any, ...]:
    return tuple(node.values or ()) if isinstance(node, _WITH_VALUES) else ()


def _is_new(part: Any, known: _Known) -> bool:
    """Whether the others do not have it, or this subgraph says of it what concerns everybody."""
    return part.name.value not in known.parts or _is_marked(part)


def _is_marked(node: Any) -> bool:
    arguments = getattr(node, "arguments", None) or ()
    directives = (one for each in (node, *arguments) for one in getattr(each, "directives", None) or ())
    return any(one.name.value not in _STRUCTURAL for one in directives)


def _is_shared_value(view: SubgraphView, others: Sequence[SubgraphView], type_name: str, field: str) -> bool:
    """Whether the field is everybody's: of a type that no subgraph knows by a key, and shareable in all of them."""
    together = [one for one in (view, *others) if one.schema.get_type(type_name) is not None]
    joins = [one.joins.get((type_name, field)) for one in together]
    return all(type_name not in one.keys for one in together) and all(
        join is not None and join.shareable for join in joins
    )
