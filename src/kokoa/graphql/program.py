"""Compiling: one operation → a program of selections and fields that only needs parents to run.

    Program      what one operation asks, for one assignment of its @skip/@include variables
    Selection    what is asked of one object type at one position
    Field        one response key of a selection: resolver, arguments, shape
    Glance       of a field, for one parent: the value lies ready at this place of it, if it is one of these
    Shape        a field's type: nullable? a list of what? a leaf? or children
    Children     the selections below a field, one for each concrete type, compiled when first met

Fragments, @skip and @include are gone after this step (GraphQL §6.3.2, CollectFields).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLLeafType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLOutputType,
    OperationDefinitionNode,
    OperationType,
    get_argument_values,
    get_named_type,
    is_abstract_type,
    is_interface_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.values import VariableValues
from graphql.language import SelectionSetNode

from kokoa.graphql.arguments import ArgumentReader, argument_reader
from kokoa.graphql.collect import Assignment, Collector, variables_in
from kokoa.graphql.cost import Cost, estimate
from kokoa.graphql.errors import BadUserInput, locations_of
from kokoa.graphql.leaves import LeafCodec
from kokoa.graphql.resolvers import FieldResolver, Foreseeing, Reading
from kokoa.graphql.schema import Executable
from kokoa.graphql.scopes import Requirement


class Children:
    """The selections below one field."""

    __slots__ = ("_compiler", "_nodes", "_selections", "abstract", "static", "typename")

    def __init__(self, compiler: "_Compiler", named: GraphQLNamedType, nodes: Sequence[FieldNode]) -> None:
        self._compiler = compiler
        self._nodes = nodes
        self._selections: dict[str, Selection | None] = {}
        self.abstract = named.name if is_abstract_type(named) else ""
        self.typename = compiler.executable.resolvers.typename(named.name) if self.abstract else None
        self.static = compiler.selection(named, self._sets()) if is_object_type(named) else None

    def of_type(self, name: str) -> "Selection | None":
        """The selection for a concrete type, or None if the abstract type has no such member."""
        if name not in self._selections:
            if len(self._selections) > self._compiler.types_max:
                return None
            self._selections[name] = self._compile(name)
        return self._selections[name]

    def _compile(self, name: str) -> "Selection | None":
        schema = self._compiler.executable.schema
        concrete, abstract = schema.get_type(name), schema.get_type(self.abstract)
        if is_interface_type(concrete) and concrete is abstract and not schema.get_possible_types(concrete):
            return self._compiler.selection(concrete, self._sets())  # only a gateway has objects of such an interface
        if not is_object_type(concrete) or not is_abstract_type(abstract):
            return None
        if not schema.is_sub_type(abstract, concrete):
            return None
        return self._compiler.selection(concrete, self._sets())

    def _sets(self) -> list[SelectionSetNode]:
        return [node.selection_set for node in self._nodes if node.selection_set is not None]


class Shape:
    """Exactly one of item (a list), leaf and children is there."""

    __slots__ = ("children", "item", "leaf", "nullable", "type_name")

    def __init__(
        self,
        type_name: str,
        nullable: bool,
        item: "Shape | None" = None,
        leaf: LeafCodec | None = None,
        children: Children | None = None,
    ) -> None:
        self.type_name = type_name
        self.nullable = nullable
        self.item = item
        self.leaf = leaf
        self.children = children

    def below(self) -> frozenset[str]:
        """Names of the fields that are asked of the object type below."""
        if self.item is not None:
            return self.item.below()
        static = self.children.static if self.children is not None else None
        return frozenset(one.coordinate.partition(".")[2] for one in static.fields) if static else frozenset()


class Glance(NamedTuple):
    """Where the value of a field lies in its parent, and which values are the answer as they are.

    key: in a dict.  attribute: in anything else.  ready, fits: as of the field's `LeafCodec`.
    """

    key: str
    attribute: str
    ready: frozenset[type]
    fits: Callable[[Any], bool] | None


class Field:
    """One response key. coordinate: `Type.field`.  glance: None if the resolver has to be asked in any case."""

    __slots__ = (
        "_constant",
        "_definition",
        "_node",
        "_read",
        "coordinate",
        "glance",
        "key",
        "locations",
        "requirement",
        "resolve",
        "shape",
    )

    def __init__(
        self,
        key: str,
        coordinate: str,
        nodes: Sequence[FieldNode],
        definition: GraphQLField,
        resolve: FieldResolver,
        shape: Shape,
        requirement: Requirement,
        with_arguments: bool,
    ) -> None:
        self.key = key
        self.coordinate = coordinate
        self.resolve = resolve.resolve if isinstance(resolve, Reading) else resolve
        self.shape = shape
        self.requirement = requirement
        self.locations = locations_of(nodes)
        self._node = nodes[0]
        self._definition = definition
        self._constant = self._constant_arguments(with_arguments)
        self._read: ArgumentReader | None = None
        self.glance = self._glance(resolve)

    def arguments(self, variables: VariableValues) -> Mapping[str, Any]:
        """The coerced arguments. Raises BadUserInput, which names the argument."""
        if self._constant is not None:
            return self._constant
        if self._read is None:
            self._read = argument_reader(self._definition, self._node)
        try:
            return self._read(variables)
        except GraphQLError as error:
            raise BadUserInput(error.message) from error

    def _glance(self, resolve: FieldResolver) -> Glance | None:
        leaf = self.shape.leaf
        if not isinstance(resolve, Reading) or leaf is None or self.requirement or self._constant is None:
            return None
        return Glance(resolve.key, resolve.attribute, leaf.ready(nullable=self.shape.nullable), leaf.fits)

    def _constant_arguments(self, wanted: bool) -> Mapping[str, Any] | None:
        if not wanted or not self._definition.args:
            return {}
        if any(True for argument in self._node.arguments or () for _ in variables_in(argument.value)):
            return None
        try:
            return MappingProxyType(get_argument_values(self._definition, self._node))
        except GraphQLError:
            return None


class Selection:
    """template: a response object with its keys in order, constants filled in; copied for each object."""

    __slots__ = ("fields", "template", "type_name")

    def __init__(self, type_name: str, template: dict[str, Any], fields: Sequence[Field]) -> None:
        self.type_name = type_name
        self.template = template
        self.fields = fields


class Program:
    """One operation under one assignment, ready to run."""

    __slots__ = ("cost", "is_mutation", "operation", "root")

    def __init__(self, operation: OperationDefinitionNode, root: Selection, cost: Cost) -> None:
        self.operation = operation
        self.root = root
        self.cost = cost
        self.is_mutation = operation.operation is OperationType.MUTATION


class _Compiler:
    """Compiles selections of one operation under one assignment."""

    def __init__(
        self,
        executable: Executable,
        collector: Collector,
    ) -> None:
        self.executable = executable
        self.types_max = len(executable.schema.type_map)
        self._collector = collector

    def selection(
        self, concrete: GraphQLObjectType | GraphQLInterfaceType, sets: Iterable[SelectionSetNode]
    ) -> Selection:
        """Everything that these selection sets ask of an object of this type."""
        template: dict[str, Any] = {}
        fields: list[Field] = []
        for key, nodes in self._collector.collect(concrete, sets).items():
            name = nodes[0].name.value
            template[key] = concrete.name if name == "__typename" else None
            if name != "__typename":
                fields.append(self._field(concrete, key, nodes))
        return Selection(concrete.name, template, fields)

    def _field(
        self, concrete: GraphQLObjectType | GraphQLInterfaceType, key: str, nodes: Sequence[FieldNode]
    ) -> Field:
        name = nodes[0].name.value
        coordinate = f"{concrete.name}.{name}"
        introspection = self.executable.introspection
        meta = introspection.definition(concrete.name, name)
        definition = meta or concrete.fields[name]
        resolvers = self.executable.resolvers
        resolve = introspection.resolver(meta) if meta else resolvers.field(concrete.name, name, key)
        shape = self._shape(definition.type, nodes)
        return Field(
            key,
            coordinate,
            nodes,
            definition,
            resolve.knowing(shape.below()) if isinstance(resolve, Foreseeing) else resolve,
            shape,
            self.executable.requirements.get(coordinate, ()),
            meta is not None or resolvers.wants_arguments(),
        )

    def _shape(self, of: GraphQLOutputType, nodes: Sequence[FieldNode]) -> Shape:
        nullable = not is_non_null_type(of)
        inner: Any = of.of_type if is_non_null_type(of) else of
        if is_list_type(inner):
            return Shape(str(of), nullable, item=self._shape(inner.of_type, nodes))
        if isinstance(inner, GraphQLLeafType):
            return Shape(inner.name, nullable, leaf=self.executable.codecs[inner.name])
        return Shape(inner.name, nullable, children=Children(self, get_named_type(inner), nodes))


def compile_program(
    executable: Executable,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    assignment: Assignment,
) -> Program:
    """Compile a valid operation. assignment: the values of its `condition_variables`."""
    root = executable.schema.get_root_type(operation.operation)
    if root is None:
        raise BadUserInput(f"This schema has no {operation.operation.value} type.")
    collector = Collector(executable.schema, fragments, assignment)
    compiler = _Compiler(executable, collector)
    cost = estimate(executable.schema, operation, fragments, assignment)
    return Program(operation, compiler.selection(root, [operation.selection_set]), cost)
