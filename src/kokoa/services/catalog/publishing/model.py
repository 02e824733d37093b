"""Schedules: what they may say and what is to be done when they are due. Pure."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from kokoa.services.catalog.publishing.errors import (
    EmptySchedule,
    ScheduleInThePast,
    ScheduleTooFar,
    UnpublishBeforePublish,
)

AHEAD_MAX = timedelta(days=5 * 366)

Step = Literal["publish", "unpublish"]


class Schedule(msgspec.Struct, frozen=True):
    """At least one of the moments is there.  failure: why it could not be done when it was due."""

    publish_at: datetime | None
    unpublish_at: datetime | None
    failure: str | None = None

    def step(self) -> Step:
        """What comes first."""
        if self.publish_at is None:
            return "unpublish"
        if self.unpublish_at is None or self.publish_at <= self.unpublish_at:
            return "publish"
        return "unpublish"

    def rest(self) -> "Schedule | None":
        """What is left when the first step is done."""
        left = Schedule(None, self.unpublish_at) if self.step() == "publish" else Schedule(self.publish_at, None)
        return None if left == Schedule(None, None) else left


def require_schedule(publish_at: datetime | None, unpublish_at: datetime | None, now: datetime) -> Schedule:
    """Raises EmptySchedule, ScheduleInThePast, ScheduleTooFar, UnpublishBeforePublish; they name the field."""
    if publish_at is None and unpublish_at is None:
        raise EmptySchedule(
            "Give publishAt, unpublishAt or both; cancelSchedule removes a schedule.", field="publishAt"
        )
    for field, moment in (("publishAt", publish_at), ("unpublishAt", unpublish_at)):
        if moment is None:
            continue
        if moment <= now:
            raise ScheduleInThePast(f"{field} is {moment.isoformat()}; it is {now.isoformat()} now.", field=field)
        if moment - now > AHEAD_MAX:
            raise ScheduleTooFar(
                f"{field} is {moment.isoformat()}; at most five years ahead are allowed.", field=field
            )
    if publish_at is not None and unpublish_at is not None and unpublish_at <= publish_at:
        raise UnpublishBeforePublish("unpublishAt must be after publishAt.", field="unpublishAt")
    return Schedule(publish_at, unpublish_at)
