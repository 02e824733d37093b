"""How benchmarks judge what they measured: figures, targets, growth."""

import pytest
from benchmarks.growth import SAMPLES_MIN, growth
from benchmarks.report import Kind, Measurement, Target, percentile, table_of
from rich.console import Console


def measured(kind: Kind, bound: float, subject: list[float], floor: list[float]) -> Measurement:
    return Measurement("reading", "ms", subject, floor, "bare reading", Target(kind, bound))


def test_a_ratio_judges_each_round_by_its_own_floor() -> None:
    """The machine was busy in the second round: both halves were slow, and the ratio is what it was."""
    found = measured("ratio", 0.5, [60, 6, 60], [100, 10, 100])
    assert found.figure == pytest.approx(0.6)
    assert found.met
    assert not measured("ratio", 0.7, [60, 6, 60], [100, 10, 100]).met


def test_a_difference_is_to_the_floor_and_a_value_stands_alone() -> None:
    assert measured("difference", 1.0, [2.5, 3.0], [2.0, 2.5]).figure == pytest.approx(0.5)
    assert not measured("difference", 0.4, [2.5, 3.0], [2.0, 2.5]).met
    assert measured("value", 1.0, [0.9, 1.0, 5.0], [9, 9, 9]).met
    assert not measured("value", 0.9, [0.9, 1.0, 5.0], [9, 9, 9]).met


def test_the_table_says_what_was_met() -> None:
    console = Console(record=True, width=160)
    console.print(table_of([measured("ratio", 0.5, [60], [100]), measured("value", 1.0, [2.0], [0.1])]))
    text = console.export_text()
    assert "0.60 ×" in text
    assert "≥ 0.5 × floor" in text
    assert text.count("yes") == text.count("no ") == 1


def test_numbers_for_machines_say_it_too() -> None:
    document = measured("ratio", 0.5, [60, 80, 70], [100, 100, 100]).as_json()
    assert (document["subject_median"], document["figure"], document["met"]) == (70, 0.7, True)


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([7.0], 0.99) == 7
    assert percentile([1.0, 2.0], 1.0) == 2


def test_what_settles_did_not_grow() -> None:
    memory = [50.0, 90.0, *[120.0] * SAMPLES_MIN]
    assert growth([{"web memory MB": value, "processes": 40.0} for value in memory]) == []


@pytest.mark.parametrize("name", ["web memory MB", "host files", "processes", "mounts", "control groups"])
def test_what_goes_on_growing_is_named(name: str) -> None:
    (sentence,) = growth([{name: 100.0 + 20.0 * minute, "nats files": 14.0} for minute in range(60)])
    assert sentence.startswith(f"{name} grew from ")
