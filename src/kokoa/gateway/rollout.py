"""Progressive overrides: which `@override(label:)` are on for a call.

`percent(n)` is on for n of 100 customers, and always the same ones: the label and the customer decide, by a hash.
A call without a customer is decided by its correlation id, so that it is at least the same throughout one request.
Any other label is off: nobody could say when it is on.
"""

import re
from collections.abc import Iterable
from zlib import crc32

from kokoa.kernel.call import Call

_PERCENT = re.compile(r"percent\((\d{1,3}(?:\.\d{1,8})?)\)")
_SHARES = 1_000_000


def labels_on(labels: Iterable[str], call: Call) -> frozenset[str]:
    """Those of a supergraph's labels that are on for the call."""
    who = call.caller.subject or call.correlation_id
    return frozenset(label for label in labels if _is_on(label, f"{call.environment_id}/{who}"))


def _is_on(label: str, who: str) -> bool:
    percent = _PERCENT.fullmatch(label)
    if percent is None:
        return False
    return crc32(f"{label}/{who}".encode()) % _SHARES < float(percent[1]) / 100 * _SHARES
