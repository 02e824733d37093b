"""Progressive overrides: which `@override(label:)` are on for a call.

`percent(n)` is on for n of 100 customers, and always the same ones: the label and the customer decide, by a hash.
A call without a customer is decided by its session, and without one by its correlation id, so that it is at least the
same throughout one request.
Any other label is off: nobody could say when it is on.
"""

import re
from collections.abc import Iterable

from kokoa.kernel.call import Call
from kokoa.kernel.overrides import is_on

_PERCENT = re.compile(r"percent\((\d{1,3}(?:\.\d{1,8})?)\)")


def labels_on(labels: Iterable[str], call: Call) -> frozenset[str]:
    """Those of a supergraph's labels that are on for the call."""
    return frozenset([label for label in labels if _is_on(label, call)])


def _is_on(label: str, call: Call) -> bool:
    percent = _PERCENT.fullmatch(label)
    return percent is not None and is_on(float(percent[1]), label, call)
