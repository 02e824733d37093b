"""What can go wrong with schedules and staged changes."""

from kokoa.kernel.errors import Conflict, Invalid


class EmptySchedule(Invalid):
    """A schedule says neither when to publish nor when to unpublish."""


class ScheduleInThePast(Invalid):
    """A moment of a schedule is over already."""


class ScheduleTooFar(Invalid):
    """A moment of a schedule is more than five years ahead."""


class UnpublishBeforePublish(Invalid):
    """A schedule ends before it begins."""


class StagedChangesConflict(Conflict):
    """Fields that are staged were changed in the product itself since; the message names them."""
