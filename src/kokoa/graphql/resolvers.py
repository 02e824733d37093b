"""Batch-first resolvers: the contract, the default one, and entities by reference.

A field resolver gets all parents of its level at once and returns one value, or one exception instance, for each.
One that can bring what the next level would ask for is registered as `Foreseeing`.
The default resolver reads an attribute `snake_case(field)` or a mapping key (the field's own name, or snake_case).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from kokoa.graphql.errors import ResolverContractBroken
from kokoa.graphql.names import snake_case
from kokoa.kernel.call import Call

Values: TypeAlias = Sequence[Any]
FieldResolver: TypeAlias = Callable[[Sequence[Any], Mapping[str, Any], Call], Values | Awaitable[Values]]
ReferenceResolver: TypeAlias = Callable[[Sequence[Mapping[str, Any]], Call], Values | Awaitable[Values]]
ForeseeingResolver: TypeAlias = Callable[
    [Sequence[Any], Mapping[str, Any], Call, frozenset[str]], Values | Awaitable[Values]
]

_ABSENT = object()


class Reading:
    """A field resolver that only looks into its parents: at `key` in a dict, at `attribute` in any other object.

    Where there is one parent, the engine may look there itself; what is missing there is the resolver's business.
    """

    __slots__ = ("attribute", "key", "resolve")

    def __init__(self, resolve: FieldResolver, key: str, attribute: str = "") -> None:
        """attribute: empty if all parents are dicts."""
        self.resolve = resolve
        self.key = key
        self.attribute = attribute

    def __call__(self, parents: Sequence[Any], args: Mapping[str, Any], call: Call) -> Values | Awaitable[Values]:
        return self.resolve(parents, args, call)


class Foreseeing:
    """A field resolver that is told what is asked for below its field: `(parents, args, call, below)`.

    below: names of the fields that this operation asks of the object type below; none below an abstract type, for
    nobody knows yet what its objects will be.
    """

    def __init__(self, resolve: ForeseeingResolver) -> None:
        self._resolve = resolve

    def __call__(self, parents: Sequence[Any], args: Mapping[str, Any], call: Call) -> Values | Awaitable[Values]:
        """As of an operation that asks for nothing below."""
        return self._resolve(parents, args, call, frozenset())

    def knowing(self, below: frozenset[str]) -> FieldResolver:
        """The resolver of one operation's field."""
        return lambda parents, args, call: self._resolve(parents, args, call, below)


def check_values(values: Any, wanted: int, coordinate: str) -> Values:
    """The values if there is one for each parent. Raises ResolverContractBroken, which names the field."""
    # Nearly every resolver returns a list, and asking an abstract class is slow.
    if type(values) is not list and (isinstance(values, str | bytes | Mapping) or not isinstance(values, Sequence)):
        raise ResolverContractBroken(
            f"The resolver of {coordinate} returned {type(values).__name__}; it must return a list with one value "
            f"(or one exception) for each of its {wanted} parents."
        )
    if len(values) != wanted:
        raise ResolverContractBroken(
            f"The resolver of {coordinate} returned {len(values)} values for {wanted} parents; it must return "
            "exactly one for each, in the same order."
        )
    return values


def default_resolver(coordinate: str, field_name: str) -> Reading:
    """The resolver of a field that nobody registered one for."""
    attribute = snake_case(field_name)

    def of_mapping(parent: Mapping[str, Any]) -> Any:
        value = parent.get(field_name, _ABSENT)
        return parent.get(attribute) if value is _ABSENT else value

    def of_object(parent: Any) -> Any:
        value = getattr(parent, attribute, _ABSENT)
        if value is _ABSENT:
            return ResolverContractBroken(
                f"{coordinate} has no resolver, and {type(parent).__name__} has no attribute {attribute!r}."
            )
        return value

    def resolve(parents: Sequence[Any], _args: Mapping[str, Any], _call: Call) -> list[Any]:
        try:
            return [getattr(parent, attribute) for parent in parents]
        except AttributeError:
            return [of_mapping(one) if isinstance(one, Mapping) else of_object(one) for one in parents]

    def resolve_mappings_first(parents: Sequence[Any], args: Mapping[str, Any], call: Call) -> list[Any]:
        if parents and type(parents[0]) is dict:
            try:
                return [parent[field_name] for parent in parents]
            except (KeyError, TypeError):
                return [of_mapping(one) if isinstance(one, Mapping) else of_object(one) for one in parents]
        return resolve(parents, args, call)

    return Reading(resolve_mappings_first, field_name, attribute)


def key_resolver(key: str) -> Reading:
    """Reads one key of mappings; an absent one is null. For data that already has a response's shape."""

    def resolve(parents: Sequence[Any], _args: Mapping[str, Any], _call: Call) -> list[Any]:
        try:
            return [parent[key] for parent in parents]
        except KeyError:
            return [parent.get(key) for parent in parents]

    return Reading(resolve, key)


def default_typename(abstract: str) -> FieldResolver:
    """`__typename` of an object of an abstract type: its key `__typename`, else the name of its class."""

    def name_of(value: Any) -> Any:
        if isinstance(value, Mapping):
            return value.get("__typename") or ResolverContractBroken(
                f"An object returned as {abstract} has no __typename. Add the key, return an object whose class is "
                f'named like its type, or register a resolver "{abstract}.__typename".'
            )
        return type(value).__name__

    def resolve(parents: Sequence[Any], _args: Mapping[str, Any], _call: Call) -> list[Any]:
        return [name_of(parent) for parent in parents]

    return resolve


class Entity:
    """An object that `_entities` found, with the type its representation named."""

    __slots__ = ("type_name", "value")

    def __init__(self, type_name: str, value: Any) -> None:
        self.type_name = type_name
        self.value = value


def moments(attribute: str) -> FieldResolver:
    """A field that is a moment of the object's, as ISO 8601; null where there is none."""

    def resolve(parents: Sequence[Any], _args: Mapping[str, Any], _call: Call) -> list[str | None]:
        return [moment and moment.isoformat() for moment in (getattr(parent, attribute) for parent in parents)]

    return resolve
