"""Values for input types: literals as documents write them, JSON as requests carry it, and JSON that is wrong.

`deep` bounds the nesting: at 0 nothing optional is written any more.
"""

import json
from random import Random
from typing import Any, NamedTuple

from differential.type_refs import is_list, is_non_null, item_of, nullable

DEEP = 3


class Slot(NamedTuple):
    """An argument or input field. default: a literal, or None."""

    ref: str
    default: str | None

    def sdl(self, name: str) -> str:
        """Its definition."""
        return f"{name}: {self.ref}{'' if self.default is None else f' = {self.default}'}"

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return is_non_null(self.ref) and self.default is None


class Input(NamedTuple):
    """An input object. one_of: exactly one field must be given."""

    fields: dict[str, Slot]
    one_of: bool


class InputTypes(NamedTuple):
    """The enums and input objects of a schema, by name."""

    enums: dict[str, tuple[str, ...]]
    objects: dict[str, Input]


def json_value(random: Random, types: InputTypes, ref: str, deep: int = DEEP) -> Any:
    """A value that coercion accepts."""
    if not is_non_null(ref) and random.randrange(8) == 7:
        return None
    if is_list(ref):
        return _json_list(random, types, item_of(ref), deep)
    name = nullable(ref)
    if name in types.enums:
        return random.choice(types.enums[name])
    if name in types.objects:
        return _json_object(random, types, types.objects[name], deep)
    return _scalar(random, name)


def _json_list(random: Random, types: InputTypes, item: str, deep: int) -> Any:
    if random.randrange(5) == 4 and not is_list(item) and nullable(item) != "Free":
        return json_value(random, types, nullable(item) + "!", deep)  # one value stands for a list of one
    return [json_value(random, types, item, deep - 1) for _ in range(random.randrange(3) if deep > 0 else 0)]


def _json_object(random: Random, types: InputTypes, given: Input, deep: int) -> dict[str, Any]:
    if given.one_of:
        name = random.choice(list(given.fields))
        return {name: json_value(random, types, given.fields[name].ref + "!", deep - 1)}
    return {
        name: json_value(random, types, slot.ref, deep - 1)
        for name, slot in given.fields.items()
        if slot.required or (deep > 0 and random.randrange(2))
    }


def _scalar(random: Random, name: str) -> Any:
    number = random.randrange(1, 50)
    if name == "Free":
        return random.choice((number, "free", True, [number, None], {"a": number, "b": {"c": []}}))
    if name == "Float":
        return random.choice((number, number / 8))
    if name == "ID":
        return random.choice((f"id{number}", number))
    return {"Int": number, "String": f"s{number}", "Boolean": number % 2 == 0, "Even": number * 2}[name]


def const_literal(random: Random, types: InputTypes, ref: str) -> str:
    """A literal without variables."""
    return written(types, ref, json_value(random, types, ref, 2))


def written(types: InputTypes, ref: str, value: Any) -> str:
    """A JSON value of a type as a literal."""
    if value is None:
        return "null"
    name = ref.strip("[]!")
    if isinstance(value, list) and is_list(ref):
        return f"[{', '.join(written(types, item_of(ref), one) for one in value)}]"
    if name in types.enums:
        return str(value)
    if name in types.objects:
        fields = types.objects[name].fields
        return f"{{{', '.join(f'{key}: {written(types, fields[key].ref, one)}' for key, one in value.items())}}}"
    return plain(value)


def plain(value: Any) -> str:
    """A JSON value as a literal, whatever its type."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {plain(one)}' for key, one in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(plain, value))}]"
    return json.dumps(value)


def wrong_value(random: Random, types: InputTypes, ref: str) -> Any:
    """A value that coercion refuses, if the type refuses any."""
    if is_non_null(ref) and random.randrange(4) == 3:
        return None
    if is_list(ref):
        return [json_value(random, types, item_of(ref)), wrong_value(random, types, item_of(ref))]
    name = nullable(ref)
    if name in types.objects:
        return _wrong_object(random, types, types.objects[name])
    if name in types.enums:
        return random.choice(("PURPLE", 3, ["RED", "NO"]))
    return random.choice(_WRONG[name])


_WRONG: dict[str, tuple[Any, ...]] = {
    "Int": ("x", 2**31, -(2**31) - 1, 1.5, True, [1, "x"]),
    "Float": ("x", True, {}),
    "String": (5, ["a", 1], {"a": 1}),
    "ID": (1.5, True, {}),
    "Boolean": ("true", 1, [True, 0]),
    "Even": (3, "two", [2, 5]),
    "Free": (None,),
}


def _wrong_object(random: Random, types: InputTypes, given: Input) -> Any:
    name = random.choice(list(given.fields))
    fine = _json_object(random, types, given, 1)
    kind = random.randrange(4)
    if kind == 0:
        return random.choice((5, "text", [fine, 5]))
    if kind == 1:
        return {**fine, "unknownField": 1}
    if given.one_of and kind == 2:
        return random.choice(({}, {"text": "a", "ids": [1]}, {"text": None}))
    return {**fine, name: wrong_value(random, types, given.fields[name].ref)}
