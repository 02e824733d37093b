"""What composition reports: each problem with its standard code and a message that says what to change."""

from collections.abc import Iterable

import msgspec

from kokoa.kernel.errors import Invalid


class Problem(msgspec.Struct, frozen=True, order=True):
    """code: the standard one of Federation v2.  subgraphs: who has to change something."""

    code: str
    message: str
    subgraphs: tuple[str, ...] = ()


class CompositionFailed(Invalid):
    """The subgraphs do not make one graph. problems: all of them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"{one.code}: {one.message}" for one in self.problems)
        super().__init__(f"The graph does not compose:\n{lines}")
