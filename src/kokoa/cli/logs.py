"""`kokoa logs`: what a function printed, with the partner's own keys (CloudWatch Logs FilterLogEvents)."""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions
import botocore.session

from kokoa.kernel.errors import Invalid, NotFound

_POLL_S = 0.5
_OVERLAP_MS = 5_000
_SEEN_MAX = 20_000
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class LogsNotRead(NotFound):
    """The logs could not be read; the message says why."""


class InvalidSince(Invalid):
    """--since is not a duration."""


def logs(
    function: str,
    *,
    follow: bool = False,
    since: str = "1h",
    filter: str = "",
    correlation_id: str = "",
) -> None:
    """Print a function's log, oldest first.

    Needs the account's keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and the store in AWS_ENDPOINT_URL.

    For example:
      kokoa logs search-plus --follow
      kokoa logs search-plus --since 15m --filter ERROR
      kokoa logs search-plus --correlation-id 4bf92f3577b34da6a3ce929d0e0e4736

    Parameters
    ----------
    follow
        Go on printing as events come, until Ctrl-C.
    since
        How far back to begin: 30s, 15m, 2h, 7d.
    filter
        Only events that contain these words.
    correlation_id
        Only events of the request with this id.
    """
    client = _client()
    start_ms = int((time.time() - _seconds(since)) * 1000)
    pattern = f'"{correlation_id}"' if correlation_id else filter
    group = f"/aws/lambda/{function}"
    seen: dict[str, None] = {}
    try:
        while True:
            for event in _events(client, group, start_ms, pattern):
                if event["eventId"] not in seen:
                    seen[event["eventId"]] = None
                    _print(event)
                    # An event may be written down a little after a later one: look back a few seconds.
                    start_ms = max(start_ms, event["timestamp"] - _OVERLAP_MS)
            while len(seen) > _SEEN_MAX:
                del seen[next(iter(seen))]
            if not follow:
                return
            time.sleep(_POLL_S)
    except botocore.exceptions.ClientError as error:
        raise LogsNotRead(_reason(error, function)) from error
    except botocore.exceptions.BotoCoreError as error:
        raise LogsNotRead(str(error)) from error


def _client() -> Any:
    session = botocore.session.get_session()
    if session.get_credentials() is None:
        raise LogsNotRead("No access key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (. .kokoa/demo.env).")
    if not session.get_config_variable("region"):
        session.set_config_variable("region", "us-east-1")
    return session.create_client("logs")


def _events(client: Any, group: str, start_ms: int, pattern: str) -> Iterator[dict[str, Any]]:
    request: dict[str, Any] = {"logGroupName": group, "startTime": start_ms, "interleaved": True}
    if pattern:
        request["filterPattern"] = pattern
    while True:
        page = client.filter_log_events(**request)
        yield from page["events"]
        token = page.get("nextToken")
        if not token:
            return
        request["nextToken"] = token


def _print(event: dict[str, Any]) -> None:
    moment = datetime.fromtimestamp(event["timestamp"] / 1000, tz=UTC)
    sys.stdout.write(f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} {event['message'].rstrip()}\n")
    sys.stdout.flush()


def _seconds(text: str) -> int:
    unit = _UNITS_S.get(text[-1:])
    if unit is None or not text[:-1].isdigit():
        raise InvalidSince(f"--since {text!r} is not a duration; write 30s, 15m, 2h or 7d.", field="since")
    return int(text[:-1]) * unit


def _reason(error: Any, function: str) -> str:
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
    if code == "ResourceNotFoundException":
        return f"Nothing is logged for {function!r} in this account: it was not invoked, or has another name."
    return f"{code}: {message}"
