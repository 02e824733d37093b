"""Durations as people write them."""

import pytest

from kokoa.cli.durations import InvalidDuration, milliseconds_of


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("300ms", 300), ("2s", 2_000), (" 15m ", 900_000), ("24h", 86_400_000), ("7d", 604_800_000), ("0s", 0)],
)
def test_a_duration_has_a_unit(text: str, milliseconds: int) -> None:
    assert milliseconds_of(text, "--deadline") == milliseconds


@pytest.mark.parametrize("text", ["", "10", "ms", "-1s", "1.5s", "1 s", "1w", "1s2m", "9999999999s", "\u0661s\n2s"])
def test_anything_else_is_refused_by_the_options_name(text: str) -> None:
    with pytest.raises(InvalidDuration, match="--deadline"):
        milliseconds_of(text, "--deadline")
