"""Which parts of the language a case exercises, found by looking at it, not by asking the generator.

Only what really happens counts: the types that the schema has, what the executed operation asks (its fragments
included), and the failures that the data served to graphql-core.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    VariableNode,
    parse,
)
from graphql.language import ListValueNode, Node, NullValueNode, ObjectValueNode, SelectionSetNode

from differential.cases import Case
from differential.literals import Slot
from differential.schemas import FieldPlan, SchemaPlan
from differential.type_refs import is_list, is_non_null, item_of, named, nullable

FEATURES = (
    "nested objects", "list", "list of lists", "nullable field", "non-null field", "nullable item",
    "non-null item", "interface", "interface implementing an interface", "union", "abstract type in a list",
    "custom scalar", "enum", "covariant field", "argument", "argument: default applies",
    "argument: null literal", "argument: one value for a list", "argument: enum", "argument: input object",
    "argument: nested input object", "argument: @oneOf", "argument: custom scalar", "input field default",
    "variable", "variable: default applies", "variable: absent", "variable: null",
    "variable: in a list or object", "variable: wrong value", "alias", "merged selections",
    "merged selections of an object", "fragment", "fragment in a fragment", "fragment on an interface",
    "fragment on a union", "fragment on an object", "fragment spread twice", "inline fragment on an interface",
    "inline fragment on a union", "inline fragment on an object", "inline fragment without a type", "@skip",
    "@include", "@skip and @include together", "condition: literal", "condition: variable",
    "condition on a field", "condition on a spread", "condition on an inline fragment",
    "__typename of an object", "__typename of an abstract type", "__typename of a root", "introspection",
    "mutation", "mutation of several fields", "counter read in a mutation", "several operations",
    "operation name wrong or missing", "anonymous operation", "data without errors", "null reaches the root",
    # what the data served
    "whole call fails", "exception", "exception in a list", "bug", "null for non-null",
    "null for non-null in a list", "wrong leaf", "no list", "abstract type astray", "default resolver",
    "absent attribute or key", "leaf that is converted", "resolver that waits", "several resolvers that wait",
)  # fmt: skip


class _Reader:
    """Walks the operation that is executed."""

    def __init__(self, case: Case) -> None:
        self.found: set[str] = set()
        self._schema: SchemaPlan = case.world.schema
        self._data = case.world.data()
        self._request = case.request
        document = parse(case.request.text)
        self._operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
        self._fragments = {
            one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }
        self._spread: Counter[str] = Counter()
        self._waiting: set[tuple[str, str]] = set()

    def read(self) -> None:
        if len(self._operations) > 1:
            self.found.add("several operations")
        operation = self._chosen()
        if operation is None:
            self.found.add("operation name wrong or missing")
            return
        if operation.name is None:
            self.found.add("anonymous operation")
        root = operation.operation.value.capitalize()
        if root == "Mutation":
            self.found.add("mutation")
        self._variables(operation)
        self._selections(root, [operation.selection_set], top=True)
        if max(self._spread.values(), default=0) > 1:
            self.found.add("fragment spread twice")
        if self._waiting:
            self.found.add("several resolvers that wait" if len(self._waiting) > 1 else "resolver that waits")
            self.found.add("resolver that waits")

    def _chosen(self) -> OperationDefinitionNode | None:
        asked = self._request.operation_name
        if asked is None:
            return self._operations[0] if len(self._operations) == 1 else None
        return next((one for one in self._operations if one.name and one.name.value == asked), None)

    def _variables(self, operation: OperationDefinitionNode) -> None:
        for one in operation.variable_definitions or ():
            self.found.add("variable")
            name = one.variable.name.value
            if name not in self._request.variables:
                self.found.add("variable: absent" if one.default_value is None else "variable: default applies")
            elif self._request.variables[name] is None:
                self.found.add("variable: null")

    # Selections.

    def _selections(self, on: str, sets: list[SelectionSetNode], top: bool = False) -> None:
        keys: dict[str, list[FieldNode]] = {}
        types: dict[str, str] = {}
        for one in sets:
            for parent, node in self._flat(on, one, frozenset()):
                key = node.alias.value if node.alias else node.name.value
                keys.setdefault(key, []).append(node)
                types.setdefault(key, parent)
        if top and on == "Mutation" and len(keys) > 1:
            self.found.add("mutation of several fields")
        for key, nodes in keys.items():
            self._field(types[key], nodes)

    def _flat(self, on: str, selections: SelectionSetNode, inside: frozenset[str]) -> Iterator[tuple[str, FieldNode]]:
        for node in selections.selections:
            self._condition(node)
            if isinstance(node, FieldNode):
                yield on, node
            elif isinstance(node, InlineFragmentNode):
                yield from self._flat(self._inline(on, node), node.selection_set, inside)
            elif isinstance(node, FragmentSpreadNode):
                name = node.name.value
                self._spread[name] += 1
                fragment = self._fragments[name]
                target = fragment.type_condition.name.value
                self.found |= {"fragment", f"fragment on {self._kind(target)}"}
                if inside:
                    self.found.add("fragment in a fragment")
                yield from self._flat(target, fragment.selection_set, inside | {name})

    def _inline(self, on: str, node: InlineFragmentNode) -> str:
        if node.type_condition is None:
            self.found.add("inline fragment without a type")
            return on
        target = node.type_condition.name.value
        self.found.add(f"inline fragment on {self._kind(target)}")
        return target

    def _kind(self, name: str) -> str:
        if name not in self._schema.members:
            return "an object"
        return "an interface" if name in self._schema.fields else "a union"

    def _condition(self, node: Any) -> None:
        names = [one.name.value for one in node.directives or ()]
        if len(names) > 1:
            self.found.add("@skip and @include together")
        for directive in node.directives or ():
            literal = not isinstance(directive.arguments[0].value, VariableNode)
            where = {FieldNode: "a field", FragmentSpreadNode: "a spread"}.get(type(node), "an inline fragment")
            self.found |= {f"@{directive.name.value}", f"condition on {where}"}
            self.found.add(f"condition: {'literal' if literal else 'variable'}")

    # Fields.

    def _field(self, on: str, nodes: list[FieldNode]) -> None:
        name = nodes[0].name.value
        if any(node.alias for node in nodes):
            self.found.add("alias")
        if len(nodes) > 1:
            self.found.add("merged selections")
        if name == "__typename":
            self.found.add(f"__typename of {'a root' if on in ('Query', 'Mutation') else self._abstractness(on)}")
            return
        if name.startswith("__"):
            self.found.add("introspection")
            return
        plan = self._schema.fields[on][name]
        if name == "ticks" and "mutation" in self.found:
            self.found.add("counter read in a mutation")
        self._shape(on, name, plan)
        self._arguments(plan, nodes[0])
        for owner in self._schema.possible(on) if on in self._schema.members else (on,):
            if self._data.traits(owner, name).waits:
                self._waiting.add((owner, name))
        below = [node.selection_set for node in nodes if node.selection_set]
        if below:
            if len(below) > 1:
                self.found.add("merged selections of an object")
            if on not in ("Query", "Mutation"):
                self.found.add("nested objects")
            self._selections(named(plan.ref), below)

    def _abstractness(self, name: str) -> str:
        return "an abstract type" if name in self._schema.members else "an object"

    def _shape(self, on: str, name: str, plan: FieldPlan) -> None:
        ref, inner = plan.ref, named(plan.ref)
        self.found.add("non-null field" if is_non_null(ref) else "nullable field")
        if is_list(ref):
            item = item_of(ref)
            self.found |= {"list", "non-null item" if is_non_null(item) else "nullable item"}
            if is_list(item):
                self.found.add("list of lists")
            if inner in self._schema.members:
                self.found.add("abstract type in a list")
        if inner in self._schema.members:
            self.found.add(self._kind(inner).split()[1])
            if self._schema.interfaces.get(inner):
                self.found.add("interface implementing an interface")
        if inner in ("Even", "Free"):
            self.found.add("custom scalar")
        if inner in self._schema.inputs.enums:
            self.found.add("enum")
        for owner in self._schema.possible(on) if on in self._schema.members else ():
            if self._schema.fields[owner][name].ref != ref:
                self.found.add("covariant field")

    # Arguments.

    def _arguments(self, plan: FieldPlan, node: FieldNode) -> None:
        given = {one.name.value: one.value for one in node.arguments or ()}
        for name, slot in plan.arguments.items():
            if name in given:
                self.found.add("argument")
                self._value(slot.ref, given[name], 0)
            elif slot.default is not None:
                self.found.add("argument: default applies")

    def _value(self, ref: str, value: Node, depth: int) -> None:
        if isinstance(value, VariableNode):
            if depth:
                self.found.add("variable: in a list or object")
            return
        inner, inputs = named(ref), self._schema.inputs
        if isinstance(value, NullValueNode):
            self.found.add("argument: null literal")
        elif is_list(ref):
            if isinstance(value, ListValueNode):
                for one in value.values:
                    self._value(item_of(ref), one, depth + 1)
            else:
                self.found.add("argument: one value for a list")
                self._value(inner, value, depth + 1)
        elif inner in inputs.enums:
            self.found.add("argument: enum")
        elif inner in ("Even", "Free"):
            self.found.add("argument: custom scalar")
        elif isinstance(value, ObjectValueNode):
            self._object(nullable(ref), value, depth)

    def _object(self, name: str, value: ObjectValueNode, depth: int) -> None:
        given = self._schema.inputs.objects[name]
        self.found.add("argument: @oneOf" if given.one_of else "argument: input object")
        if depth:
            self.found.add("argument: nested input object")
        self._defaults(given.fields, {one.name.value for one in value.fields})
        for one in value.fields:
            self._value(given.fields[one.name.value].ref, one.value, depth + 1)

    def _defaults(self, slots: Mapping[str, Slot], given: set[str]) -> None:
        if any(slot.default is not None and name not in given for name, slot in slots.items()):
            self.found.add("input field default")


def features_of(case: Case) -> set[str]:
    """The features that occur in a case."""
    answer = case.expected
    reader = _Reader(case)
    reader.read()
    found = reader.found | (case.seen & set(FEATURES))
    if not answer.data and "operation name wrong or missing" not in found:
        found.add("variable: wrong value")
    if answer.data == b"null":
        found.add("null reaches the root")
    if answer.data and not answer.errors:
        found.add("data without errors")
    return found


def count_features(cases: Iterable[Case]) -> Counter[str]:
    """Feature → in how many cases it occurs."""
    counted: Counter[str] = Counter()
    for case in cases:
        counted.update(features_of(case))
    return counted


def shares_percent(counted: Counter[str], cases: int) -> dict[str, float]:
    """Feature → in how many of 100 cases it occurs, the rarest first."""
    return {name: 100 * counted[name] / cases for name in sorted(FEATURES, key=lambda name: counted[name])}
