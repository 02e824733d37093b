"""The constraints of a service model (required, length, range, pattern, enum), checked in AWS's own words.

All violations are gathered, because a deployer wants to see them at once:
`2 validation errors detected: Value 'x y' at 'functionName' failed to satisfy constraint: …; Value null at 'code' …`
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from botocore.model import ListShape, MapShape, Shape, StructureShape

from kokoa.functions.aws.errors import ModelViolation

Check = Callable[[Any, str, list[str]], None]
"""(value, path, problems to add to)."""

SHOWN_MAX: Final = 200
"""How much of an offending value is repeated."""
PROBLEMS_MAX: Final = 20

_BOUNDS_IN_NAME = re.compile(r"LengthBetween(\d+)And(\d+)$")


def violation(value: object, path: str, demand: str) -> ModelViolation:
    """One broken constraint, for providers whose limits are stricter than the model's."""
    return ModelViolation(_message([_problem(value, path, demand)]), field=path)


def _problem(value: object, path: str, demand: str, *, sensitive: bool = False) -> str:
    shown = " null" if value is None else f" '{str(value)[:SHOWN_MAX]}'"
    return f"Value{'' if sensitive else shown} at '{path}' failed to satisfy constraint: {demand}"


def _message(problems: Sequence[str]) -> str:
    noun = "error" if len(problems) == 1 else "errors"
    return f"{len(problems)} validation {noun} detected: " + "; ".join(problems[:PROBLEMS_MAX])


class Constraints:
    """Compiles checks for the shapes of one service."""

    def __init__(self) -> None:
        self._compiled: dict[str, Check | None] = {}

    def validator(self, shape: StructureShape, *, unchecked: Iterable[str] = ()) -> Callable[[Any], None]:
        """A function that raises ModelViolation. unchecked: members that the provider checks by itself."""
        check = self._structure(shape, skip=frozenset(unchecked))

        def validate(value: Any) -> None:
            problems: list[str] = []
            check(value, "", problems)
            if problems:
                raise ModelViolation(_message(problems))

        return validate

    def _check(self, shape: Shape) -> Check | None:
        if shape.name not in self._compiled:
            # A shape may contain itself: until it is compiled, its name stands for a look-up at run time.
            self._compiled[shape.name] = lambda value, path, problems: self._again(shape, value, path, problems)
            self._compiled[shape.name] = self._compile(shape)
        return self._compiled[shape.name]

    def _again(self, shape: Shape, value: Any, path: str, problems: list[str]) -> None:
        check = self._compiled[shape.name]
        if check is not None:
            check(value, path, problems)

    def _compile(self, shape: Shape) -> Check | None:
        if isinstance(shape, StructureShape):
            return self._structure(shape)
        if isinstance(shape, ListShape):
            return self._list(shape)
        if isinstance(shape, MapShape):
            return self._map(shape)
        if shape.type_name == "string":
            return _string(shape)
        if shape.type_name in ("integer", "long", "float", "double"):
            return _range(shape)
        return None

    def _structure(self, shape: StructureShape, skip: frozenset[str] = frozenset()) -> Check:
        required = shape.required_members
        checks = [
            (name, _lower_first(name), check)
            for name, member in shape.members.items()
            if name not in skip and (check := self._check(member)) is not None
        ]

        def run(value: Any, path: str, problems: list[str]) -> None:
            absent = [_join(path, _lower_first(name)) for name in required if name not in value]
            problems += [_problem(None, where, "Member must not be null") for where in absent]
            for name, shown, check in checks:
                if name in value:
                    check(value[name], _join(path, shown), problems)

        return run

    def _list(self, shape: ListShape) -> Check | None:
        sizes = _length(shape)
        member = self._check(shape.member)

        def run(value: Any, path: str, problems: list[str]) -> None:
            before = len(problems)
            if sizes:
                sizes(value, path, problems)
            if member and len(problems) == before:
                for index, item in enumerate(value, 1):
                    member(item, f"{path}.{index}.member", problems)

        return run if sizes or member else None

    def _map(self, shape: MapShape) -> Check | None:
        sizes = _length(shape)
        key_check = self._check(shape.key)
        value_check = self._check(shape.value)

        def run(value: Any, path: str, problems: list[str]) -> None:
            if sizes:
                sizes(value, path, problems)
            for key, item in value.items():
                if key_check:
                    key_check(key, path, problems)
                if value_check:
                    value_check(item, f"{path}.{key}.member", problems)

        return run if sizes or key_check or value_check else None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]


def _bounds(shape: Shape) -> tuple[int | None, int | None]:
    """API Gateway's model tells bounds in the names of shapes only: `StringWithLengthBetween1And128`."""
    named = _BOUNDS_IN_NAME.search(shape.name)
    if named:
        return int(named[1]), int(named[2])
    return shape.metadata.get("min"), shape.metadata.get("max")


def _length(shape: Shape) -> Check | None:
    low, high = _bounds(shape)
    sensitive = bool(shape.metadata.get("sensitive"))
    if low is None and high is None:
        return None

    def run(value: Any, path: str, problems: list[str]) -> None:
        size = len(value)
        if low is not None and size < low:
            demand = f"Member must have length greater than or equal to {low}"
            problems.append(_problem(value, path, demand, sensitive=sensitive))
        if high is not None and size > high:
            demand = f"Member must have length less than or equal to {high}"
            problems.append(_problem(value, path, demand, sensitive=sensitive))

    return run


def _range(shape: Shape) -> Check | None:
    low, high = _bounds(shape)
    if low is None and high is None:
        return None

    def run(value: Any, path: str, problems: list[str]) -> None:
        if low is not None and value < low:
            problems.append(_problem(value, path, f"Member must have value greater than or equal to {low}"))
        if high is not None and value > high:
            problems.append(_problem(value, path, f"Member must have value less than or equal to {high}"))

    return run


def _string(shape: Shape) -> Check | None:
    sizes = _length(shape)
    allowed = frozenset(shape.metadata.get("enum", ()))
    source = str(shape.metadata.get("pattern", ""))
    pattern = _compile_pattern(source)
    sensitive = bool(shape.metadata.get("sensitive"))
    shown_enum = ", ".join(shape.metadata.get("enum", ()))
    if not sizes and not allowed and not pattern:
        return None

    def run(value: Any, path: str, problems: list[str]) -> None:
        before = len(problems)
        if sizes:
            sizes(value, path, problems)
        if len(problems) > before:
            return  # A pattern never runs over a text that is longer than the model allows.
        if allowed and value not in allowed:
            problems.append(_problem(value, path, f"Member must satisfy enum value set: [{shown_enum}]"))
        if pattern and not pattern.fullmatch(value):
            demand = f"Member must satisfy regular expression pattern: {source}"
            problems.append(_problem(value, path, demand, sensitive=sensitive))

    return run


def _compile_pattern(source: str) -> re.Pattern[str] | None:
    """The models carry Java's expressions; the few that Python's `re` cannot read (`\\p{L}`) are not checked."""
    try:
        return re.compile(source) if source else None
    except re.error:
        return None
