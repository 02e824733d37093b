"""What can go wrong with a file of products as a whole; what is wrong with one row is a Problem."""

from kokoa.kernel.errors import Conflict, Invalid, Unavailable


class FileUnusable(Invalid):
    """A file cannot be read any further; the message names the line."""


class JournalUnusable(Conflict):
    """A journal belongs to another import, is missing, or cannot be written."""


class SecretsMissing(Invalid):
    """The variables that say which store and which secrets are not set."""


class ImportFailed(Unavailable):
    """The store did not take a batch; what was taken is in the journal."""
