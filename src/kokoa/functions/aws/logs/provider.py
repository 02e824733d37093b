"""The operations of CloudWatch Logs that Kokoa has."""

import re
from collections.abc import Mapping
from typing import Any, Final

from kokoa.functions.aws.service import RequestContext
from kokoa.functions.control.errors import InvalidLogQuery, OtherAccount
from kokoa.functions.control.logs import (
    FOREVER_MS,
    FunctionLogs,
    LogEvent,
    LogQuery,
    parse_pattern,
)

GROUPS_DEFAULT: Final = 50
STREAMS_DEFAULT: Final = 50
EVENTS_DEFAULT: Final = 10_000

_GROUP_ARN = re.compile(r"arn:aws[a-zA-Z-]*:logs:[a-z0-9-]+:(\d{12}):log-group:([^:*]+)(?::\*)?")

Request = Mapping[str, Any]
Output = Mapping[str, Any]


class LogsProvider:
    """Reads the logs of the account's functions."""

    def __init__(self, logs: FunctionLogs) -> None:
        self._logs = logs

    async def describe_log_groups(self, context: RequestContext, request: Request) -> Output:
        """DescribeLogGroups."""
        limit = request.get("limit", GROUPS_DEFAULT)
        groups = await self._logs.groups(
            context.environment_id,
            context.account_id,
            prefix=request.get("logGroupNamePrefix", ""),
            part=request.get("logGroupNamePattern", ""),
            after=request.get("nextToken", ""),
            limit=limit + 1,
        )
        page = groups[:limit]
        return {
            "logGroups": [
                {
                    "logGroupName": group.name,
                    "creationTime": group.created_ms,
                    "arn": _group_arn(context, group.name) + ":*",
                    "logGroupArn": _group_arn(context, group.name),
                    "metricFilterCount": 0,
                    "logGroupClass": "STANDARD",
                }
                for group in page
            ],
            "nextToken": page[-1].name if len(groups) > limit else None,
        }

    async def describe_log_streams(self, context: RequestContext, request: Request) -> Output:
        """DescribeLogStreams, by name or by last event."""
        group = _group(context, request)
        by_time = request.get("orderBy") == "LastEventTime"
        prefix = request.get("logStreamNamePrefix", "")
        if by_time and prefix:
            raise InvalidLogQuery("Cannot order by LastEventTime with a logStreamNamePrefix.")
        streams, token = await self._logs.streams(
            context.environment_id,
            context.account_id,
            group,
            order="time" if by_time else "name",
            descending=request.get("descending", False),
            prefix=prefix,
            token=request.get("nextToken", ""),
            limit=request.get("limit", STREAMS_DEFAULT),
        )
        return {
            "logStreams": [
                {
                    "logStreamName": stream.name,
                    "creationTime": stream.created_ms,
                    "firstEventTimestamp": stream.first_event_ms,
                    "lastEventTimestamp": stream.last_event_ms,
                    "lastIngestionTime": stream.ingested_ms,
                    "arn": f"{_group_arn(context, group)}:log-stream:{stream.name}",
                }
                for stream in streams
            ],
            "nextToken": token or None,
        }

    async def filter_log_events(self, context: RequestContext, request: Request) -> Output:
        """FilterLogEvents: interleaved by time, by plain terms."""
        query = LogQuery(
            group=_group(context, request),
            start_ms=request.get("startTime", 0),
            # AWS's end time is included here, and not in GetLogEvents.
            end_ms=min(request.get("endTime", FOREVER_MS), FOREVER_MS - 1) + 1,
            streams=tuple(request.get("logStreamNames", ())),
            stream_prefix=request.get("logStreamNamePrefix", ""),
            pattern=parse_pattern(request.get("filterPattern", "")),
        )
        page = await self._logs.filter(
            context.environment_id,
            context.account_id,
            query,
            token=request.get("nextToken", ""),
            limit=request.get("limit", EVENTS_DEFAULT),
        )
        return {
            "events": [_event(event) | {"logStreamName": event.stream, "eventId": event.id} for event in page.events],
            "searchedLogStreams": [],
            "nextToken": page.next_token or None,
        }

    async def get_log_events(self, context: RequestContext, request: Request) -> Output:
        """GetLogEvents of one stream, forward or backward."""
        events, forward, backward = await self._logs.stream_events(
            context.environment_id,
            context.account_id,
            _group(context, request),
            request["logStreamName"],
            start_ms=request.get("startTime", 0),
            end_ms=min(request.get("endTime", FOREVER_MS), FOREVER_MS),
            token=request.get("nextToken", ""),
            from_head=request.get("startFromHead", False),
            limit=request.get("limit", EVENTS_DEFAULT),
        )
        return {
            "events": [_event(event) for event in events],
            "nextForwardToken": forward,
            "nextBackwardToken": backward,
        }


def _event(event: LogEvent) -> dict[str, Any]:
    return {
        "timestamp": event.timestamp_ms,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
    }


def _group_arn(context: RequestContext, group: str) -> str:
    return f"arn:aws:logs:{context.region}:{context.account_id}:log-group:{group}"


def _group(context: RequestContext, request: Request) -> str:
    """The group's name, given as such or as an ARN. Raises InvalidLogQuery, OtherAccount."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if bool(name) == bool(identifier):
        raise InvalidLogQuery("Exactly one of logGroupName and logGroupIdentifier is required.")
    arn = _GROUP_ARN.fullmatch(str(identifier or ""))
    if arn is None:
        return str(name or identifier)
    if arn[1] != context.account_id:
        raise OtherAccount(f"The log group belongs to another account than the access key ({context.account_id}).")
    return arn[2]
