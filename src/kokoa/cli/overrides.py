"""`kokoa overrides`: how overridden routes and fields behave, and what became of them."""

from typing import Any
from urllib.parse import quote

import orjson
from cyclopts import App
from rich.console import Console

from kokoa.cli.api import OperatorClient
from kokoa.cli.durations import milliseconds_of
from kokoa.cli.show import show

overrides = App(
    name="overrides",
    help_format="plaintext",
    help="How overridden routes and fields of a store behave, and what became of them (operator).",
)

_OUTCOMES = ("answered", "failed", "late", "invalid", "equal", "different")
_SAMPLES_SHOWN = 5


@overrides.command(name="list")
def list_overrides(*, tenant: str, environment: str = "prod", json: bool = False) -> None:
    """Every overridden route and field: by whom, its policy, and how it went in the last 24 hours.

    For example: kokoa overrides list --tenant boeing
    """
    client = OperatorClient()
    rows = client.request("GET", f"{client.environment(tenant, environment)}/overrides")
    columns = {
        "subject": "OVERRIDE",
        "partner": "PARTNER",
        "percent": "PERCENT",
        "deadline": "DEADLINE",
        "fallback": "FALLBACK",
        "shadow": "SHADOW",
        "last_day": "LAST 24 HOURS",
        "note": "NOTE",
    }
    shown = rows if json else [_shown(row) for row in rows]
    show(shown, columns, as_json=json, empty="Nothing is overridden, and no policy is set.")


@overrides.command(name="set")
def set_policy(
    subject: str,
    *,
    tenant: str,
    environment: str = "prod",
    percent: float | None = None,
    deadline: str = "",
    fallback: bool | None = None,
    shadow: bool | None = None,
    version: int | None = None,
) -> None:
    """Say how an override behaves; what is not named stays as it is. It works within a second.

    For example:
      kokoa overrides set 'GET /api/search' --shadow --tenant boeing
      kokoa overrides set 'GET /api/search' --no-shadow --percent 10 --deadline 300ms --fallback --tenant boeing

    Parameters
    ----------
    subject
        A route as `kokoa routes list` shows it, or a field such as Product.price.
    percent
        Of customers who get the override: 0 to 100, always the same ones. The others get the native answer.
    deadline
        For the override's answer: 300ms, 2s.
    fallback
        Serve the native answer when the override fails, is late or answers nonsense. Routes: GET and HEAD only.
    shadow
        Serve the native answer, ask the override as well, and report where the two differ. Routes: GET and HEAD only.
    version
        Of the policy as you saw it, so that another change meanwhile is not overwritten; 0 when there was none.
    """
    client = OperatorClient()
    body = {
        "subject": subject,
        "percent": percent,
        "deadline_ms": milliseconds_of(deadline, "--deadline") if deadline else None,
        "fallback": fallback,
        "shadow": shadow,
        "version": version,
    }
    given = {name: value for name, value in body.items() if value is not None}
    entry = client.request("PUT", f"{client.environment(tenant, environment)}/overrides", given)
    words = _words(entry["policy"])
    print(f"{entry['subject']} in {tenant}/{environment}: {words} (version {entry['version']}).")


@overrides.command
def unset(subject: str, *, tenant: str, environment: str = "prod") -> None:
    """Forget a policy: a route's override answers everybody, without a fallback; a field's has the usual policy.

    For example: kokoa overrides unset 'GET /api/search' --tenant boeing
    """
    client = OperatorClient()
    client.request("DELETE", f"{client.environment(tenant, environment)}/overrides", {"subject": subject})
    print(f"{subject} has no policy in {tenant}/{environment} any more.")


@overrides.command
def report(subject: str, *, tenant: str, environment: str = "prod", since: str = "24h", json: bool = False) -> None:
    """What became of an override: how often it answered, failed and differed, why, and samples of differences.

    For example: kokoa overrides report 'GET /api/search' --tenant boeing --since 7d

    Parameters
    ----------
    since
        How far back: 15m, 24h, 7d; at most 30d.
    """
    client = OperatorClient()
    since_s = milliseconds_of(since, "--since") // 1_000
    query = f"subject={quote(subject, safe='')}&since_s={since_s}"
    found = client.request("GET", f"{client.environment(tenant, environment)}/overrides/report?{query}")
    if json:
        print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    _print_report(found)


def _print_report(found: dict[str, Any]) -> None:
    console = Console(highlight=False, width=None if Console().is_terminal else 200)
    policy = _words(found["policy"]) if found["policy"] else "no policy"
    console.print(f"{found['subject']}: {policy}", markup=False)
    console.print(f"since {found['since'][:19]}Z: {_counts(found['counts']) or 'nothing happened'}", markup=False)
    if found["reasons"]:
        console.print()
        columns = {"outcome": "OUTCOME", "count": "SAMPLES", "last_seen_at": "LAST SEEN", "reason": "REASON"}
        show(found["reasons"], columns, as_json=False, empty="")
    different = [sample for sample in found["samples"] if sample["outcome"] == "different"]
    for sample in different[:_SAMPLES_SHOWN]:
        console.print(f"\n{sample['reason']}  (correlation id {sample['correlation_id']})", markup=False)
        console.print(f"  native: {sample['native']}", markup=False)
        console.print(f"  other:  {sample['other']}", markup=False)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    policy = row["policy"]
    shown = {**row, "last_day": _counts(row["last_day"])}
    if policy is None:
        return {**shown, "note": row["note"] or "no policy"}
    return {
        **shown,
        "percent": f"{policy['percent']:g}",
        "deadline": f"{policy['deadline_ms']} ms",
        "fallback": "yes" if policy["fallback"] else "no",
        "shadow": "yes" if policy["shadow"] else "no",
    }


def _words(policy: dict[str, Any]) -> str:
    parts = [f"{policy['percent']:g} % of customers", f"deadline {policy['deadline_ms']} ms"]
    parts.append("falls back to the native answer" if policy["fallback"] else "no fallback")
    if policy["shadow"]:
        parts.append("in shadow")
    return ", ".join(parts)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in _OUTCOMES if outcome in counts)
