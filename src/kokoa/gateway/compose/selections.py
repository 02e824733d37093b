"""Field sets as directives carry them: what @key, @requires and @provides have wrong in the same ways."""

from collections.abc import Iterator, Sequence

import msgspec
from graphql import GraphQLSchema, get_named_type, is_composite_type, is_interface_type, is_object_type
from graphql.language import ConstDirectiveNode

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.read import argument, directives_on, returned_type
from kokoa.gateway.fieldset import FieldSet, InvalidFieldSet, Part, parse_field_set
from kokoa.gateway.supergraph import SubgraphView


class Applied(msgspec.Struct, frozen=True):
    """One application of a directive with a field set. selects_from: the type whose fields it names."""

    view: SubgraphView
    directive: str
    coordinate: str
    selects_from: str
    text: object
    parts: FieldSet | None = None
    unreadable: str = ""

    @property
    def where(self) -> str:
        """How a message begins."""
        return f'[{self.view.name}] On {self.coordinate}, @{self.directive}(fields: "{self.text}")'

    def problem(self, code: str, message: str) -> Problem:
        """A problem with this application; the code is without the directive's name."""
        return Problem(f"{self.directive.upper()}_{code}", f"{self.where} {message}", (self.view.name,))


def applied(view: SubgraphView, directive: ConstDirectiveNode, coordinate: str, selects_from: str) -> Applied:
    """One application, its field set read."""
    text = argument(directive, "fields")
    name = directive.name.value
    if not isinstance(text, str):
        return Applied(view, name, coordinate, selects_from, text)
    try:
        return Applied(view, name, coordinate, selects_from, text, parse_field_set(text))
    except InvalidFieldSet as error:
        return Applied(view, name, coordinate, selects_from, text, None, str(error))


def applied_to_fields(view: SubgraphView, directive_name: str) -> Iterator[tuple[Applied, str]]:
    """Every application of @requires or @provides in a subgraph, with the type of its field."""
    for type_name, field_name in view.joins:
        named = view.schema.get_type(type_name)
        assert is_object_type(named) or is_interface_type(named)
        for directive in directives_on(named.fields[field_name].ast_node):
            if directive.name.value == directive_name:
                below = get_named_type(named.fields[field_name].type).name
                selects_from = below if directive_name == "provides" else type_name
                yield applied(view, directive, f"{type_name}.{field_name}", selects_from), below


def check_form(one: Applied) -> Iterator[Problem]:
    """What is wrong with a field set whoever carries it: its text, its fields, directives in it."""
    if not isinstance(one.text, str):
        yield one.problem("INVALID_FIELDS_TYPE", 'cannot be read: `fields` must be text, such as "id name".')
    elif one.parts is None:
        message = f'cannot be read: {one.unreadable}. Write field names, such as "id" or "brand {{ id }}".'
        yield one.problem("INVALID_FIELDS", message)
    else:
        if not one.parts:
            yield one.problem("INVALID_FIELDS", "names no field. Name at least one.")
        yield from _check_parts(one, one.view.schema, one.selects_from, one.parts)


def _check_parts(one: Applied, schema: GraphQLSchema, type_name: str, parts: Sequence[Part]) -> Iterator[Problem]:
    named = schema.get_type(type_name)
    for part in parts:
        if part.directives:
            message = f"has a directive, {part.directives}, on {part.name or part.on}. Remove it."
            yield one.problem("DIRECTIVE_IN_FIELDS_ARG", message)
        if part.on:
            if schema.get_type(part.on) is None:
                yield one.problem("INVALID_FIELDS", f"names the type {part.on}, which is not in this subgraph.")
            else:
                yield from _check_parts(one, schema, part.on, part.children)
        elif part.name == "__typename":
            continue
        elif not (is_object_type(named) or is_interface_type(named)) or part.name not in named.fields:
            remedy = "Add the field, or fix the key" if one.directive == "key" else "Add it as @external"
            yield one.problem("INVALID_FIELDS", f"names {part.name}, which {type_name} does not have here. {remedy}.")
        else:
            yield from _check_below(one, schema, type_name, part)


def _check_below(one: Applied, schema: GraphQLSchema, type_name: str, part: Part) -> Iterator[Problem]:
    below = returned_type(schema, type_name, part.name)
    composite = is_composite_type(schema.get_type(below))
    if composite and not part.children:
        message = f"names {part.name}, which is an object. Say which of its fields: {part.name} {{ … }}."
        yield one.problem("INVALID_FIELDS", message)
    elif part.children and not composite:
        yield one.problem("INVALID_FIELDS", f"selects below {part.name}, which is {below}. Name it alone.")
    else:
        yield from _check_parts(one, schema, below, part.children)


def fields_in(view: SubgraphView, type_name: str, parts: Sequence[Part]) -> Iterator[tuple[str, Part]]:
    """(type, field) for every field at any depth that the subgraph has."""
    named = view.schema.get_type(type_name)
    for part in parts:
        if part.on:
            yield from fields_in(view, part.on, part.children)
        elif (is_object_type(named) or is_interface_type(named)) and part.name in named.fields:
            yield type_name, part
            yield from fields_in(view, returned_type(view.schema, type_name, part.name), part.children)


def own_leaves(view: SubgraphView, type_name: str, parts: Sequence[Part]) -> Iterator[str]:
    """`Type.field` of each leaf that this subgraph answers itself, with no @external on the way to it."""
    named = view.schema.get_type(type_name)
    for part in parts:
        if part.on:
            yield from own_leaves(view, part.on, part.children)
        elif part.name != "__typename" and _has(named, part.name) and not _is_external(view, type_name, part.name):
            if part.children:
                yield from own_leaves(view, returned_type(view.schema, type_name, part.name), part.children)
            else:
                yield f"{type_name}.{part.name}"


def _has(named: object, field_name: str) -> bool:
    return (is_object_type(named) or is_interface_type(named)) and field_name in named.fields


def _is_external(view: SubgraphView, type_name: str, field_name: str) -> bool:
    """Whether the field is @external here; of an interface, whether it is in one of its objects."""
    named = view.schema.get_type(type_name)
    names = [type_name]
    if is_interface_type(named):
        names += [one.name for one in view.schema.get_possible_types(named)]
    return any((join := view.joins.get((name, field_name))) is not None and join.external for name in names)
