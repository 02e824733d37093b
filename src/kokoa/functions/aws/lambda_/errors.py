"""What can go wrong with a Lambda request beside what can go wrong with functions themselves."""

from kokoa.kernel.errors import Invalid


class InvalidRequestContent(Invalid):
    """The payload of an invocation is not JSON."""
