"""From when until when something holds. Pure."""

from datetime import UTC, datetime

from kokoa.kernel.errors import Invalid

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
"""Beyond them a moment is a mistake; and the last ones that Python knows are PostgreSQL's infinity to asyncpg."""


class InvalidPeriod(Invalid):
    """The beginning or the end of a period is not acceptable; the field says which."""


def require_period(valid_from: datetime | None, valid_to: datetime | None) -> None:
    """None: no beginning, no end.  valid_to: not within the period. Raises InvalidPeriod."""
    for field, moment in (("validFrom", valid_from), ("validTo", valid_to)):
        if moment is not None and not FIRST <= moment < LAST:
            raise InvalidPeriod(f"{field} lies within the years 1970 to 2999; null is for always.", field=field)
    if valid_from is not None and valid_to is not None and valid_to <= valid_from:
        raise InvalidPeriod("validTo must be after validFrom.", field="validTo")
