"""Input values of JSON → what resolvers get (GraphQL §3, Input Coercion), by readers that are made once for a type.

A reader knows the usual ways to be right. At anything else, wrong or rare, it raises Unusual: then graphql-core does
the whole value anew, and says what is wrong. Readers are several times as fast as graphql-core, which looks at types
as it goes.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLString,
    Undefined,
)
from graphql.type.definition import is_required_input_field
from graphql.utilities.coerce_input_value import coerce_default_value as _default

_INT_MAX: Final = 2**31 - 1

Read = Callable[[Any], Any]
"""A value of JSON → the coerced one. Raises Unusual."""


class Unusual(Exception):
    """Not one of the usual ways to be right; whether it is wrong graphql-core knows."""


def read_text(value: Any) -> str:
    """A string."""
    if type(value) is not str:
        raise Unusual
    return value


def read_int(value: Any) -> int:
    """A number that Int can hold."""
    if type(value) is not int or not -_INT_MAX <= value <= _INT_MAX:
        raise Unusual
    return value


def read_boolean(value: Any) -> bool:
    """True or false."""
    if type(value) is not bool:
        raise Unusual
    return value


def _read_float(value: Any) -> float:
    if type(value) is not float:
        raise Unusual
    return value


_LEAVES: Final[Mapping[str, Read]] = {
    GraphQLString.name: read_text,
    GraphQLID.name: read_text,
    GraphQLBoolean.name: read_boolean,
    GraphQLInt.name: read_int,
    GraphQLFloat.name: _read_float,
}


class Readers:
    """The readers of one schema."""

    def __init__(self) -> None:
        self._objects: dict[str, Read] = {}

    def of(self, type_: GraphQLInputType) -> Read:
        """The reader of a type; null is a value of it unless it is non-null."""
        if isinstance(type_, GraphQLNonNull):
            return self._present(type_.of_type)
        return _or_null(self._present(type_))

    def _present(self, type_: Any) -> Read:
        """Of values that are not null."""
        match type_:
            case GraphQLList(of_type=item) if str(item) == "_Any!":
                return _representations
            case GraphQLList(of_type=item):
                return _list(self.of(item))
            case GraphQLInputObjectType():
                return self._object(type_)
            case GraphQLEnumType():
                return _enum(type_)
            case GraphQLScalarType():
                return _LEAVES.get(type_.name) or _scalar(type_)
        raise TypeError(f"{type_} is no input type")

    def _object(self, type_: GraphQLInputObjectType) -> Read:
        known = self._objects.get(type_.name)
        if known is not None:
            return known
        made: list[Read] = []
        # Its fields may be of the type itself, so it is known before it is made.
        self._objects[type_.name] = lambda value: made[0](value)
        made.append(_refuse if type_.is_one_of else self._plain_object(type_))
        return made[0]

    def _plain_object(self, type_: GraphQLInputObjectType) -> Read:
        fields = [
            (name, field.out_name or name, self.of(field.type), is_required_input_field(field), _default(field))
            for name, field in type_.fields.items()
        ]
        make = None if type_.out_type is GraphQLInputObjectType.out_type else type_.out_type

        def read(value: Any) -> Any:
            if type(value) is not dict:
                raise Unusual
            found = {}
            given = 0
            for name, out_name, read_field, required, default in fields:
                if name in value:
                    found[out_name] = read_field(value[name])
                    given += 1
                elif required:
                    raise Unusual
                elif default is not Undefined:
                    found[out_name] = default
            if given != len(value):
                raise Unusual
            return make(found) if make else found

        return read


def _or_null(read: Read) -> Read:
    return lambda value: None if value is None else read(value)


def _list(read: Read) -> Read:
    def read_list(value: Any) -> list[Any]:
        if type(value) is not list:
            raise Unusual
        return [read(one) for one in value]

    return read_list


def _representations(value: Any) -> list[Any]:
    """Of federation: anything at all, but null."""
    if type(value) is not list or None in value:
        raise Unusual
    return value


def _enum(type_: GraphQLEnumType) -> Read:
    values = {name: value.value for name, value in type_.values.items()}

    def read(value: Any) -> Any:
        if type(value) is not str or value not in values:
            raise Unusual
        return values[value]

    return read


def _scalar(type_: GraphQLScalarType) -> Read:
    coerce = type_.coerce_input_value

    def read(value: Any) -> Any:
        if value is None:
            raise Unusual
        try:
            return coerce(value)
        except Exception as error:
            raise Unusual from error

    return read


def _refuse(_: Any) -> Any:
    raise Unusual
