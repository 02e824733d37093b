"""The documents by which AWS Lambda tells that a function failed (they are answers, not errors of ours)."""

import signal

import msgspec
import orjson

_SIGNAL_STATUS = 128


class Failure(msgspec.Struct, frozen=True):
    """error_type and message as in AWS's document.  log_line: what the platform writes to the function's log."""

    error_type: str
    message: str
    log_line: str
    status: str = "error"

    def document(self) -> bytes:
        """The answer's body."""
        return orjson.dumps({"errorType": self.error_type, "errorMessage": self.message})


def timed_out(request_id: str, timeout_s: float, time: str) -> Failure:
    """time: now, as in a log line."""
    what = f"Task timed out after {timeout_s:.2f} seconds"
    return Failure(
        "Sandbox.Timedout", f"RequestId: {request_id} Error: {what}", f"{time} {request_id} {what}\n\n", "timeout"
    )


def exited(request_id: str, status: int, *, out_of_memory: bool) -> Failure:
    """The process ended in the middle.  status: its exit status, or 128 + signal."""
    if out_of_memory:
        error_type, why = "Runtime.OutOfMemory", " with error: signal: killed"
    else:
        error_type, why = "Runtime.ExitError", _reason(status)
    message = f"RequestId: {request_id} Error: Runtime exited{why}"
    return Failure(error_type, message, f"{message}\n{error_type}\n")


def _reason(status: int) -> str:
    if status == 0:
        return " without providing a reason"
    number = -status if status < 0 else status - _SIGNAL_STATUS
    if number in set(signal.Signals):
        name = "killed" if number == signal.SIGKILL else signal.strsignal(number) or str(number)
        return f" with error: signal: {name.lower()}"
    return f" with error: exit status {status}"


def answer_too_large(request_id: str, limit: int) -> Failure:
    """The answer is over the limit for synchronous invocations."""
    message = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
    return Failure("Function.ResponseSizeTooLarge", message, f"{message} RequestId: {request_id}\n")


def init_error_document(body: bytes, request_id: str) -> bytes:
    """The runtime's own document about a failed start, with the request id that it could not know."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        return orjson.dumps({"errorType": "Runtime.Unknown", "errorMessage": "The function did not start."})
    if not document.get("requestId"):
        document["requestId"] = request_id
    return orjson.dumps(document)
