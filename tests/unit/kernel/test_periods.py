"""Periods, as rates and promotions have them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from kokoa.kernel.periods import InvalidPeriod, require_period

NOW = datetime(2026, 11, 27, tzinfo=UTC)
MOST = datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_a_period_may_be_open() -> None:
    for period in ((None, None), (NOW, None), (None, NOW), (NOW, MOST), (datetime(1970, 1, 1, tzinfo=UTC), NOW)):
        require_period(*period)


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        (NOW, NOW, "validTo"),
        (NOW, NOW.astimezone(timezone(timedelta(hours=14))), "validTo"),
        (datetime.min.replace(tzinfo=UTC), None, "validFrom"),
        (None, datetime.max.replace(tzinfo=UTC), "validTo"),
        (datetime(1969, 12, 31, tzinfo=UTC), NOW, "validFrom"),
        (None, datetime(3000, 1, 1, tzinfo=UTC), "validTo"),
    ],
)
def test_what_is_no_period_is_said(start: datetime | None, end: datetime | None, field: str) -> None:
    with pytest.raises(InvalidPeriod) as raised:
        require_period(start, end)
    assert raised.value.field == field
