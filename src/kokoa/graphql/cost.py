"""What an operation may cost, estimated before anything runs: the objects it can bring, and how long its pages are.

    cost of a field  size × (weight + cost of the selections below it) + weights of the arguments that are given
    weight           1 for a field that returns objects, 0 for a leaf, unless `@cost(weight:)` says otherwise
    size             1; of a list its largest slicing argument, else `@listSize(assumedSize:)`, else
                     `Limits.list_size`

Slicing arguments are those that `@listSize(slicingArguments:)` names, and without it `first`, `last` and `limit`.
A field that returns a page *object* passes its size on to the lists in it (`sizedFields`; without it `edges`,
`nodes`, `items`). Of an abstract type's members the dearest counts. A mutation costs MUTATION_COST more.

The tree is made once for a program, and the sums for the sizes that were asked for last are kept: only other values
of the variables that sizes come from are summed again.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    get_named_type,
    is_abstract_type,
    value_from_ast_untyped,
)
from graphql.language import SelectionSetNode, ValueNode

from kokoa.graphql.collect import Assignment, is_included
from kokoa.graphql.errors import LimitExceeded
from kokoa.graphql.limits import Limits
from kokoa.graphql.lru import Lru
from kokoa.graphql.pricing import Price, price_of

MUTATION_COST = 10
# A client chooses the sizes, so few sums are kept; an application asks for very few different ones.
SUMS_MAX = 16
# Absent is not null: a slicing argument has its default then.
_ABSENT = object()


class Cost:
    """The estimate for one operation under one assignment."""

    __slots__ = ("_base", "_limits", "_root", "_sums", "_variables")

    def __init__(self, root: "_Node", base: int) -> None:
        self._root = root
        self._base = base
        self._variables = tuple(sorted(root.variables))
        self._sums: Lru[tuple[object, ...], int] = Lru(SUMS_MAX)
        self._limits: Limits | None = None

    def check(self, variables: Mapping[str, Any], limits: Limits) -> int:
        """The cost with these coerced variables. Raises LimitExceeded for it, and for a page that is too long."""
        if self._limits is not limits:
            self._limits, self._sums = limits, Lru(SUMS_MAX)
        sizes = self._sizes(variables) if self._variables else ()
        known = self._sums.get(sizes)
        if known is None:
            known = self._sum(variables, limits)
            self._sums.put(sizes, known)
        return known

    def _sizes(self, variables: Mapping[str, Any]) -> tuple[object, ...]:
        """All that the sum depends on. What is no number is no size, like null."""
        values = [variables.get(name, _ABSENT) for name in self._variables]
        return tuple([value if type(value) is int or value is _ABSENT else None for value in values])

    def _sum(self, variables: Mapping[str, Any], limits: Limits) -> int:
        found = self._base + self._root.below(None, variables, limits)
        if found > limits.cost:
            raise LimitExceeded(
                f"The operation has an estimated cost of {found}; at most {limits.cost} is allowed. Ask for shorter "
                "pages or fewer lists within lists."
            )
        return found


class _Node:
    """One response path. conditions: fields below that hold for one type condition only.

    variables: those that sizes at or below it come from.
    """

    __slots__ = ("_coordinate", "_fixed", "_given", "_possible", "_price", "conditions", "fields", "variables")

    def __init__(self, coordinate: str, price: Price | None, given: Mapping[str, ValueNode]) -> None:
        self._coordinate = coordinate
        self._price = price
        self._given = given
        self._fixed = 0 if price is None else sum(weight for name, weight in price.arguments if name in given)
        self._possible: dict[str, list[str]] = {}
        self.fields: dict[str, _Node] = {}
        self.conditions: dict[str, dict[str, _Node]] = {}
        sizes = [given.get(one.name) for one in price.slicing] if price is not None else []
        self.variables = {size.name.value for size in sizes if isinstance(size, VariableNode)}

    def settle(self, schema: GraphQLSchema) -> None:
        """Once the whole tree is there: which members share a condition, and what it varies with."""
        for name, nodes in (("", self.fields), *self.conditions.items()):
            for node in nodes.values():
                node.settle(schema)
                self.variables |= node.variables
            if name:
                for member in _members(schema, schema.type_map[name]):
                    self._possible.setdefault(member, []).append(name)

    def cost(self, handed: int | None, variables: Mapping[str, Any], limits: Limits) -> int:
        """handed: the size that a page object above gives to its lists."""
        price = self._price
        assert price is not None
        size = self._page(price, variables, limits)
        passed: int | None = None
        if not price.is_list:
            passed, size = size, 1
        elif size is None:
            size = handed if handed is not None else price.assumed_size
            size = limits.list_size if size is None else size
        assert size is not None
        return self._fixed + size * (price.weight + self.below(passed, variables, limits))

    def below(self, passed: int | None, variables: Mapping[str, Any], limits: Limits) -> int:
        """The cost of the selections below one object."""
        sized = self._price.sized if self._price is not None and passed is not None else ()

        def total(nodes: Mapping[str, _Node]) -> int:
            return sum(
                node.cost(passed if node.name in sized else None, variables, limits) for node in nodes.values()
            )

        common = total(self.fields)
        if not self.conditions:
            return common
        of_condition = {name: total(nodes) for name, nodes in self.conditions.items()}
        return common + max(sum(of_condition[name] for name in names) for names in self._possible.values())

    @property
    def name(self) -> str:
        """The field's own name, without its type."""
        return self._coordinate.partition(".")[2]

    def _page(self, price: Price, variables: Mapping[str, Any], limits: Limits) -> int | None:
        """The largest slicing argument. Raises LimitExceeded if it is larger than a page may be."""
        largest: int | None = None
        for argument in price.slicing:
            value: Any = argument.default
            given = self._given.get(argument.name)
            if isinstance(given, VariableNode):
                value = variables.get(given.name.value, value)
            elif given is not None:
                value = value_from_ast_untyped(given)
            if type(value) is not int or value < 0:
                continue
            if value > limits.page_size:
                raise LimitExceeded(
                    f"{self._coordinate}({argument.name}: {value}) asks for a page of {value}; at most "
                    f"{limits.page_size} are allowed. Ask for the rest with further pages."
                )
            largest = value if largest is None else max(largest, value)
        return largest


class _Builder:
    """Walks an operation with its fragments expanded; equal paths are one node."""

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], assignment: Assignment
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._assignment = assignment
        self._prices: dict[str, Price] = {}
        self._members: dict[str, frozenset[str]] = {}

    def add(self, node: _Node, of: GraphQLNamedType, selections: SelectionSetNode) -> None:
        """Everything that the selection set asks of an object of this type, below the node."""
        for on, field in self._fields(of, selections, frozenset()):
            definition: GraphQLField | None = getattr(on, "fields", {}).get(field.name.value)
            if definition is None:
                continue  # __typename, and introspection, whose answer is bounded as it is made
            always = self._members_of(of) <= self._members_of(on)
            nodes = node.fields if always else node.conditions.setdefault(on.name, {})
            key = field.alias.value if field.alias else field.name.value
            below = nodes.get(key)
            if below is None:
                below = nodes[key] = self._node(f"{on.name}.{field.name.value}", definition, field)
            if field.selection_set is not None:
                self.add(below, get_named_type(definition.type), field.selection_set)

    def _node(self, coordinate: str, definition: GraphQLField, field: FieldNode) -> _Node:
        if coordinate not in self._prices:
            self._prices[coordinate] = price_of(definition)
        given = {argument.name.value: argument.value for argument in field.arguments or ()}
        return _Node(coordinate, self._prices[coordinate], given)

    def _fields(
        self, on: GraphQLNamedType, selections: SelectionSetNode, spread: frozenset[str]
    ) -> Iterator[tuple[GraphQLNamedType, FieldNode]]:
        for one in selections.selections:
            if not is_included(one, self._assignment):
                continue
            if isinstance(one, FieldNode):
                yield on, one
                continue
            inner: InlineFragmentNode | FragmentDefinitionNode
            inside = spread
            if isinstance(one, InlineFragmentNode):
                inner = one
            else:
                name = one.name.value  # type: ignore[attr-defined]  # only a fragment spread is left
                if name in spread:
                    continue
                inner, inside = self._fragments[name], spread | {name}
            yield from self._fields(self._narrowed(on, inner), inner.selection_set, inside)

    def _narrowed(
        self, on: GraphQLNamedType, fragment: InlineFragmentNode | FragmentDefinitionNode
    ) -> GraphQLNamedType:
        """The type that the fragment's fields are asked of."""
        if fragment.type_condition is None or not is_abstract_type(on):
            return on
        return self._schema.type_map[fragment.type_condition.name.value]

    def _members_of(self, named: GraphQLNamedType) -> frozenset[str]:
        if named.name not in self._members:
            self._members[named.name] = frozenset(_members(self._schema, named))
        return self._members[named.name]


def _members(schema: GraphQLSchema, of: GraphQLNamedType) -> list[str]:
    return [one.name for one in schema.get_possible_types(of)] if is_abstract_type(of) else [of.name]


def estimate(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    assignment: Assignment,
) -> Cost:
    """The cost of a valid operation, but for the sizes that its variables will give."""
    root = _Node("", None, {})
    of = schema.get_root_type(operation.operation)
    assert of is not None
    _Builder(schema, fragments, assignment).add(root, of, operation.selection_set)
    root.settle(schema)
    return Cost(root, MUTATION_COST if operation.operation is OperationType.MUTATION else 0)
