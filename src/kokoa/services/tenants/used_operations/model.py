"""What is remembered of documents, and how much. Pure."""

from datetime import date
from hashlib import sha256

import msgspec

DOCUMENTS_MAX = 5_000  # of an environment
DOCUMENT_BYTES_MAX = 64 * 1024
BYTES_MAX = 32 * 1024 * 1024  # of an environment
DAYS = 30
BATCH_MAX = 200


class UsedOperation(msgspec.Struct, frozen=True):
    """document: without comments and blanks.  last_used: the day, by UTC."""

    document: str
    last_used: date

    @property
    def digest(self) -> str:
        return sha256(self.document.encode()).hexdigest()


def fits(document: str) -> bool:
    """Whether a document can be remembered."""
    if "\0" in document:
        return False
    return len(document.encode("utf-8", "surrogatepass")) <= DOCUMENT_BYTES_MAX and not any(
        "\ud800" <= one <= "\udfff" for one in document
    )
