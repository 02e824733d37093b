"""Mistakes that somebody could make in the engine, one line each: the comparison must find every one of them.

A bug is a function that patches the engine; its name says what it breaks.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from graphql import FieldNode, is_interface_type, is_object_type, is_union_type

from kokoa.graphql import (
    coercion,
    collect,
    completion,
    document,
    leaves,
    nulls,
    program,
    resolvers,
    run,
    subgraph,
    variables,
)

Bug = Callable[[pytest.MonkeyPatch], None]
BUGS: dict[str, Bug] = {}


def bug(patch: Bug) -> Bug:
    """Put a bug on the list."""
    BUGS[patch.__name__] = patch
    return patch


def _around(patch: pytest.MonkeyPatch, owner: Any, name: str, change: Callable[..., Any]) -> None:
    """Replace a function by `change(original, *arguments)`."""
    original = getattr(owner, name)
    patch.setattr(owner, name, lambda *arguments, **named: change(original, *arguments, **named))


# Nulls and errors (nulls.py)


@bug
def nulls_do_not_climb(patch: pytest.MonkeyPatch) -> None:
    def value(original: Any, *arguments: Any) -> Any:
        found = original(*arguments)
        return None if found is nulls._CLIMBS else found

    _around(patch, nulls.Settlement, "_value", value)


@bug
def nulls_climb_past_nullable_fields(patch: pytest.MonkeyPatch) -> None:
    def value(original: Any, self: Any, field: Any, shape: Any, given: Any, path: Any) -> Any:
        found = original(self, field, shape, given, path)
        return nulls._CLIMBS if found is None and given is not None else found

    _around(patch, nulls.Settlement, "_value", value)


@bug
def a_null_item_stays_in_its_list(patch: pytest.MonkeyPatch) -> None:
    def items(original: Any, self: Any, field: Any, item: Any, values: Any, path: Any) -> bool:
        if not original(self, field, item, values, path):
            values[:] = [None if type(one) is nulls.Failure else one for one in values]
        return True

    _around(patch, nulls.Settlement, "_items", items)


@bug
def item_paths_count_from_one(patch: pytest.MonkeyPatch) -> None:
    def report(original: Any, self: Any, field: Any, error: Any, path: Any) -> None:
        original(self, field, error, [key + 1 if isinstance(key, int) else key for key in path])

    _around(patch, nulls.Settlement, "_report", report)


@bug
def paths_leave_out_the_inner_list(patch: pytest.MonkeyPatch) -> None:
    def report(original: Any, self: Any, field: Any, error: Any, path: Any) -> None:
        kept = [
            key for place, key in enumerate(path) if not (isinstance(key, int) and isinstance(path[place - 1], int))
        ]
        original(self, field, error, kept)

    _around(patch, nulls.Settlement, "_report", report)


@bug
def paths_name_the_field_and_not_its_alias(patch: pytest.MonkeyPatch) -> None:
    def report(original: Any, self: Any, field: Any, error: Any, path: Any) -> None:
        name = field.coordinate.split(".")[1]
        original(self, field, error, [name if key == field.key else key for key in path])

    _around(patch, nulls.Settlement, "_report", report)


@bug
def errors_come_in_the_order_of_levels(patch: pytest.MonkeyPatch) -> None:
    def settle(original: Any, self: Any, *arguments: Any) -> bool:
        whole = bool(original(self, *arguments))
        self.errors.sort(key=lambda entry: len(entry["path"]))
        return whole

    _around(patch, nulls.Settlement, "settle", settle)


@bug
def fields_after_a_null_report_their_errors_too(patch: pytest.MonkeyPatch) -> None:
    def selection(self: Any, selected: Any, out: Any, path: Any) -> bool:
        kept = [self._field(field, out, path) for field in selected.fields]
        return all(kept)

    patch.setattr(nulls.Settlement, "_selection", selection)


@bug
def an_error_is_located_at_its_first_field_only(patch: pytest.MonkeyPatch) -> None:
    _around(patch, program, "locations_of", lambda original, nodes: original(nodes[:1]))


@bug
def a_refused_argument_is_located_at_its_field(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(nulls, "_argument_locations", lambda _error: None)


# Collecting fields (collect.py, document.py)


@bug
def include_is_inverted(patch: pytest.MonkeyPatch) -> None:
    def included(original: Any, node: Any, assignment: Any) -> bool:
        names = [one.name.value for one in node.directives or ()]
        return bool(original(node, assignment)) is not (names == ["include"])

    _around(patch, collect, "is_included", included)


@bug
def conditions_on_fragments_are_ignored(patch: pytest.MonkeyPatch) -> None:
    def included(original: Any, node: Any, assignment: Any) -> bool:
        return not isinstance(node, FieldNode) or original(node, assignment)

    _around(patch, collect, "is_included", included)


@bug
def only_the_first_condition_counts(patch: pytest.MonkeyPatch) -> None:
    def included(original: Any, node: Any, assignment: Any) -> bool:
        if len(node.directives or ()) < 2:
            return bool(original(node, assignment))
        first = FieldNode(name=None, directives=node.directives[:1])
        return bool(original(first, assignment))

    _around(patch, collect, "is_included", included)


@bug
def a_condition_forgets_the_default_of_its_variable(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(document.Operation, "assignment", lambda self, _coerced: tuple(False for _ in self.conditions))


def _never_applies(patch: pytest.MonkeyPatch, is_kind: Callable[[Any], bool], answer: bool) -> None:
    def applies(original: Any, self: Any, fragment: Any, concrete: Any) -> bool:
        condition = fragment.type_condition
        if condition is not None and is_kind(self._schema.get_type(condition.name.value)):
            return answer
        return bool(original(self, fragment, concrete))

    _around(patch, collect.Collector, "_applies", applies)


@bug
def fragments_on_interfaces_never_apply(patch: pytest.MonkeyPatch) -> None:
    _never_applies(patch, is_interface_type, False)


@bug
def fragments_on_unions_never_apply(patch: pytest.MonkeyPatch) -> None:
    _never_applies(patch, is_union_type, False)


@bug
def fragments_on_interfaces_always_apply(patch: pytest.MonkeyPatch) -> None:
    _never_applies(patch, is_interface_type, True)


@bug
def inline_fragments_without_a_type_are_dropped(patch: pytest.MonkeyPatch) -> None:
    def applies(original: Any, self: Any, fragment: Any, concrete: Any) -> bool:
        return fragment.type_condition is not None and original(self, fragment, concrete)

    _around(patch, collect.Collector, "_applies", applies)


@bug
def aliases_are_ignored(patch: pytest.MonkeyPatch) -> None:
    def collected(original: Any, *arguments: Any) -> Any:
        return {nodes[0].name.value: nodes for nodes in original(*arguments).values()}

    _around(patch, collect.Collector, "collect", collected)


@bug
def merged_selections_are_lost(patch: pytest.MonkeyPatch) -> None:
    def collected(original: Any, *arguments: Any) -> Any:
        return {key: nodes[:1] for key, nodes in original(*arguments).items()}

    _around(patch, collect.Collector, "collect", collected)


@bug
def a_repeated_key_moves_to_the_end(patch: pytest.MonkeyPatch) -> None:
    def collected(original: Any, *arguments: Any) -> Any:
        return dict(sorted(original(*arguments).items(), key=lambda entry: len(entry[1])))

    _around(patch, collect.Collector, "collect", collected)


@bug
def a_fragment_is_expanded_only_once_in_an_operation(patch: pytest.MonkeyPatch) -> None:
    def expanded(self: Any, concrete: Any, sets: Any) -> Any:
        found: Any = {}
        for one in sets:
            self._collect(concrete, one, found, vars(self).setdefault("visited", set()))
        return found

    patch.setattr(collect.Collector, "collect", expanded)


# Running (run.py)


@bug
def mutations_run_in_parallel(patch: pytest.MonkeyPatch) -> None:
    async def at_once(self: Any, root: Any, out: Any) -> Any:
        self._enter(self._program.root, [root], [out])
        await self._drain()
        return self._finish(out)

    patch.setattr(run.Run, "_serially", at_once)


@bug
def a_resolver_that_waits_and_fails_gives_null(patch: pytest.MonkeyPatch) -> None:
    def outcome(original: Any, task: Any, wanted: int) -> Any:
        found = original(task, wanted)
        return [None] * wanted if found and isinstance(found[0], Exception) else found

    _around(patch, run, "_outcome", outcome)


@bug
def nobody_counts_what_a_resolver_returns(patch: pytest.MonkeyPatch) -> None:
    def cut(original: Any, values: Any, wanted: int, coordinate: str) -> Any:
        return values[:wanted] if type(values) is list else original(values, wanted, coordinate)

    _around(patch, run, "check_values", cut)


# Completion (completion.py, leaves.py, program.py)


@bug
def a_null_in_a_column_is_not_seen(patch: pytest.MonkeyPatch) -> None:
    _around(
        patch, leaves.LeafCodec, "takes", lambda original, self, values, **_: original(self, values, nullable=True)
    )


@bug
def a_null_that_lies_ready_is_not_seen(patch: pytest.MonkeyPatch) -> None:
    _around(patch, leaves.LeafCodec, "ready", lambda original, self, **_: original(self, nullable=True))


@bug
def an_exception_among_objects_is_taken_for_an_object(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(completion, "_irregular", lambda values: None in values)


@bug
def objects_of_abstract_types_change_places(patch: pytest.MonkeyPatch) -> None:
    def names(original: Any, *arguments: Any) -> Any:
        return list(reversed(original(*arguments)))

    _around(patch, completion.Completion, "_names", names)


@bug
def an_abstract_type_takes_any_object_type(patch: pytest.MonkeyPatch) -> None:
    def compiled(self: Any, name: str) -> Any:
        concrete = self._compiler.executable.schema.get_type(name)
        return self._compiler.selection(concrete, self._sets()) if is_object_type(concrete) else None

    patch.setattr(program.Children, "_compile", compiled)


@bug
def enums_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(leaves, "_enum_codec", lambda _enum: leaves.LeafCodec(str, frozenset({str})))


@bug
def integers_may_be_too_large(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(leaves._PLAIN, "Int", (int, None))


@bug
def floats_may_be_infinite(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(leaves._PLAIN, "Float", (float, None))


@bug
def typename_is_always_last(patch: pytest.MonkeyPatch) -> None:
    def selection(original: Any, *arguments: Any) -> Any:
        made = original(*arguments)
        made.template = dict(sorted(made.template.items(), key=lambda entry: entry[1] is not None))
        return made

    _around(patch, program._Compiler, "selection", selection)


# Arguments and variables (program.py, variables.py, schema.py)


@bug
def the_default_of_an_argument_is_lost(patch: pytest.MonkeyPatch) -> None:
    def values(original: Any, definition: Any, node: Any, *rest: Any) -> Any:
        given = {definition.args[one.name.value].out_name for one in node.arguments or ()}
        return {name: value for name, value in original(definition, node, *rest).items() if name in given}

    _around(patch, program, "get_argument_values", values)


@bug
def arguments_with_variables_count_as_constant(patch: pytest.MonkeyPatch) -> None:
    def none(_value: Any) -> Iterator[str]:
        return iter(())

    patch.setattr(program, "variables_in", none)


@bug
def the_default_of_a_variable_is_lost(patch: pytest.MonkeyPatch) -> None:
    def coerce(original: Any, self: Any, given: Any) -> Any:
        found = original(self, given)
        return found._replace(coerced={name: value for name, value in found.coerced.items() if name in given})

    _around(patch, variables.Variables, "coerce", coerce)


@bug
def a_variable_that_is_null_counts_as_absent(patch: pytest.MonkeyPatch) -> None:
    def coerce(original: Any, self: Any, given: Any) -> Any:
        return original(self, {name: value for name, value in given.items() if value is not None})

    _around(patch, variables.Variables, "coerce", coerce)


@bug
def variables_of_plain_types_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    for name in ("String", "ID", "Boolean", "Int"):
        patch.setitem(coercion._LEAVES, name, lambda value: value)


@bug
def arguments_keep_their_camel_case(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(subgraph, "use_snake_case", lambda _schema: None)


# Default resolvers (resolvers.py)


@bug
def default_resolvers_read_camel_case(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(resolvers, "snake_case", lambda name: name)


@bug
def one_object_without_the_attribute_fails_all(patch: pytest.MonkeyPatch) -> None:
    def column(original: Any, self: Any, field: Any, outs: Any, values: Any) -> None:
        broken = next((one for one in values if type(one) is resolvers.ResolverContractBroken), None)
        original(self, field, outs, values if broken is None else [broken] * len(outs))

    _around(patch, completion.Completion, "column", column)
