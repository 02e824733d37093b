"""What a client may see of an extension's errors: message, code and the extension's name.

The rest (`details`) is for the extension's own account and the operator. Of an override nobody else learns more than
that it failed: to a customer the field is the store's.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.gateway.extension import Extension
from kokoa.gateway.extensions.answers import path_of
from kokoa.gateway.extensions.errors import OverrideFailed
from kokoa.gateway.extensions.works import Site
from kokoa.graphql.errors import ErrorEntry, PathKey
from kokoa.graphql.result import ExecutionResult
from kokoa.kernel.call import Call

MESSAGE_CHARACTERS_MAX = 1_000
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


class Shown:
    """Makes what clients see of what an extension reported."""

    def __init__(self, extension: Extension) -> None:
        self._extension = extension

    def result(self, result: ExecutionResult, call: Call) -> ExecutionResult:
        """The result with all its errors as they may be seen."""
        if not result.errors:
            return result
        return ExecutionResult(result.data, [self.entry(entry, call) for entry in result.errors])

    def entry(self, entry: ErrorEntry, call: Call) -> ErrorEntry:
        """One error of a field that the extension added."""
        message = entry.get("message")
        text = message if isinstance(message, str) else f"The extension {self._extension.name} reported an error."
        return self._entry(text[:MESSAGE_CHARACTERS_MAX], entry, call, path_of(entry))

    def override(self, site: Site, entry: ErrorEntry, path: Sequence[PathKey], call: Call) -> ErrorEntry:
        """One error of a field that overrides a native one."""
        error = OverrideFailed(f"{site.coordinate} could not be answered.")
        return self._entry(error.message, {**entry, "message": error.message}, call, path, entry.get("message"))

    def _entry(
        self, message: str, entry: ErrorEntry, call: Call, path: Sequence[PathKey], hidden: Any = None
    ) -> ErrorEntry:
        given = entry.get("extensions")
        extensions = dict(given) if isinstance(given, Mapping) else {}
        code = extensions.pop("code", None)
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            code = "SUBGRAPH_ERROR" if hidden is None else OverrideFailed.code
        shown: ErrorEntry = {"message": message}
        if path:
            shown["path"] = list(path)
        shown["extensions"] = {"code": code, "subgraph": self._extension.name}
        if self._may_know(call):
            details = extensions if hidden is None else {"message": hidden, **extensions}
            if details:
                shown["extensions"]["details"] = details
        return shown

    def _may_know(self, call: Call) -> bool:
        caller = call.caller
        return caller.kind == "operator" or (
            caller.kind == "account" and caller.subject == self._extension.account_id
        )
