"""Limits before work: what a document may cost, measured before it is parsed and before it is validated.

Bytes and tokens are counted on the text. The rest is counted on the document *as it will run*, with fragments
expanded, because a short document with nested fragments can ask for millions of fields. Each refusal names the
limit and the value that was found.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from graphql import DocumentNode, FieldNode, FragmentDefinitionNode, InlineFragmentNode, OperationDefinitionNode
from graphql.language import SelectionSetNode

from kokoa.graphql.errors import LimitExceeded

_TOKEN = re.compile(
    r'#[^\n\r]*|"""(?:[^"\\]|\\.|"(?!""))*(?:""")?|"(?:[^"\\\n\r]|\\.)*"?'
    r"|[_A-Za-z][_0-9A-Za-z]*|-?[0-9][0-9A-Za-z.+-]*|\.\.\.|[^\s,\ufeff]"
)


FRAGMENT_NESTING_MAX = 20


class Limits(msgspec.Struct, frozen=True):
    """document_bytes and tokens (comments among them) bound the text; depth to overlaps the document with its
    fragments expanded.

    overlaps: pairs of selections that answer to the same response path; validation compares each with each.
    page_size: of one list.  list_size: what is assumed of a list that nobody sized.  cost: see `cost`.
    variable_values: scalars, lists and objects in a request's variables, counted together.
    objects: in one response, however it came about.  errors: entries in one response; further ones are left out.
    """

    document_bytes: int = 100_000
    tokens: int = 4_000
    depth: int = 15
    aliases: int = 100
    directives: int = 50
    selections: int = 10_000
    overlaps: int = 20_000
    page_size: int = 250
    list_size: int = 10
    cost: int = 20_000
    variable_values: int = 25_000
    objects: int = 100_000
    errors: int = 500


DEFAULT_LIMITS = Limits()
# For subgraphs that only a gateway asks. It has checked what the client sent; what it writes itself has every
# fragment expanded and fetches entities in large batches.
BEHIND_GATEWAY = Limits(
    document_bytes=2_000_000,
    tokens=200_000,
    depth=40,
    aliases=10_000,
    directives=10_000,
    selections=100_000,
    overlaps=10_000_000,
    page_size=10_000,
    cost=100_000_000,
    variable_values=1_000_000,
    objects=1_000_000,
)


def _refuse(what: str, limit: int, found: int | str) -> LimitExceeded:
    return LimitExceeded(f"The document has {found} {what}; at most {limit} are allowed.")


def check_text(text: str, limits: Limits) -> None:
    """Raises LimitExceeded for a text that is too long, in bytes or in tokens."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size > limits.document_bytes:
        raise _refuse("bytes", limits.document_bytes, size)
    if size <= limits.tokens:
        return
    tokens = sum(1 for _ in _TOKEN.finditer(text))
    if tokens > limits.tokens:
        raise _refuse("tokens", limits.tokens, tokens)


class _Walk:
    """One operation with its fragments expanded, up to the bound on selections."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], limits: Limits) -> None:
        self._fragments = fragments
        self._limits = limits
        self._active: set[str] = set()
        self.selections = self.aliases = self.directives = self.depth = 0
        self.paths: Counter[tuple[int, str]] = Counter()
        self._path_ids: dict[tuple[int, str], int] = {}

    def walk(self, selection_set: SelectionSetNode, depth: int, parent: int) -> None:
        for field in self._fields(selection_set):
            if field.alias is not None:
                self.aliases += 1
            key = (parent, field.alias.value if field.alias else field.name.value)
            self.paths[key] += 1
            self.depth = max(self.depth, depth)
            if self.depth > self._limits.depth:
                raise _refuse("levels", self._limits.depth, f"more than {self._limits.depth}")
            if field.selection_set is not None:
                path_id = self._path_ids.setdefault(key, len(self._path_ids) + 1)
                self.walk(field.selection_set, depth + 1, path_id)

    def _fields(self, selection_set: SelectionSetNode, nesting: int = 0) -> Iterator[FieldNode]:
        if nesting > FRAGMENT_NESTING_MAX:
            raise _refuse("fragments within fragments", FRAGMENT_NESTING_MAX, f"more than {FRAGMENT_NESTING_MAX}")
        for one in selection_set.selections:
            self.selections += 1
            if self.selections > self._limits.selections:
                raise _refuse("selections", self._limits.selections, f"more than {self._limits.selections}")
            self.directives += len(one.directives or ())
            if isinstance(one, FieldNode):
                yield one
            elif isinstance(one, InlineFragmentNode):
                yield from self._fields(one.selection_set, nesting + 1)
            else:
                name = one.name.value  # type: ignore[attr-defined]  # only a fragment spread is left
                fragment = self._fragments.get(name)
                if fragment is not None and name not in self._active:
                    self._active.add(name)
                    yield from self._fields(fragment.selection_set, nesting + 1)
                    self._active.discard(name)


def count_values(variables: Mapping[str, Any], limits: Limits) -> int:
    """How many scalars, lists and objects the variables hold. Raises LimitExceeded if there are too many."""
    if not variables:
        return 0
    found = 0
    waiting: list[Any] = [variables]
    while waiting:
        value = waiting.pop()
        found += len(value)
        if found > limits.variable_values:
            raise LimitExceeded(
                f"The variables hold more than {limits.variable_values} values. Send them in several requests."
            )
        inner = value if type(value) is list else value.values()
        waiting += [one for one in inner if type(one) is dict or type(one) is list]
    return found


def check_document(document: DocumentNode, limits: Limits) -> None:
    """Raises LimitExceeded for a document that would cost too much to validate or to run."""
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    for one in document.definitions:
        if not isinstance(one, OperationDefinitionNode | FragmentDefinitionNode):
            continue
        walk = _Walk(fragments, limits)
        walk.walk(one.selection_set, 1, 0)
        overlaps = sum(count * (count - 1) // 2 for count in walk.paths.values())
        for what, limit, found in (
            ("aliases", limits.aliases, walk.aliases),
            ("directives", limits.directives, walk.directives),
            ("overlapping selections", limits.overlaps, overlaps),
        ):
            if found > limit:
                raise _refuse(what, limit, found)
