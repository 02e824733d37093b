"""`kokoa graph publish` and its like: subgraphs of partners in a running store."""

import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import orjson
from cyclopts import Parameter
from rich.console import Console

from kokoa.cli.api import OperatorClient
from kokoa.cli.partner_client import PartnerClient, PublishRefused
from kokoa.cli.show import show
from kokoa.kernel.errors import Invalid

SDL_BYTES_MAX = 1024 * 1024

Name = Annotated[str, Parameter(help="The subgraph's name: small letters, digits and hyphens.")]
File = Annotated[str, Parameter(help="The file with the SDL; - is standard input.")]
Url = Annotated[str, Parameter(help="A GraphQL server answers, at this address.")]
Fields = Annotated[str, Parameter(help="This function of your account answers, field by field.")]
Function = Annotated[str, Parameter(help="This function of your account answers; it has a GraphQL server in it.")]
IfVersion = Annotated[int | None, Parameter(help="Only if this is the newest version; 0 for none yet.")]
AllowBreaking = Annotated[
    bool, Parameter(help="Also if operations that clients use would be refused then.", negative="")
]
Json = Annotated[bool, Parameter(help="Print JSON.", negative="")]

_COLUMNS = {
    "name": "NAME",
    "partner": "PARTNER",
    "version": "VERSION",
    "live": "LIVE",
    "target": "TARGET",
    "answers": "WHO ANSWERS",
    "published_at": "SINCE",
}


class SdlUnreadable(Invalid):
    """The file with a subgraph's SDL is not there, not text, or too large."""


class TargetUnclear(Invalid):
    """Not exactly one of --url, --fields and --function was given."""


def publish(
    name: Name,
    file: File,
    *,
    url: Url = "",
    fields: Fields = "",
    function: Function = "",
    if_version: IfVersion = None,
    allow_breaking: AllowBreaking = False,
    json: Json = False,
) -> None:
    """Publish a subgraph: it is live in all processes within a second, or refused and nothing has changed.

    Needs the account's keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and the store in AWS_ENDPOINT_URL.
    The same again changes nothing.

    For example: kokoa graph publish reviews reviews.graphql --url https://reviews.example.com/graphql

    For example: kokoa graph publish prices prices.graphql --fields price-of-product --if-version 3
    """
    body = _order(file, url, fields, function) | {"if_version": if_version, "allow_breaking": allow_breaking}
    client = PartnerClient()
    report = _asked(client, "PUT", client.subgraph(name), body, json)
    _tell(report, f"{name} is live in version {report['version']}", json)


def check(
    name: Name,
    file: File,
    *,
    url: Url = "",
    fields: Fields = "",
    function: Function = "",
    json: Json = False,
) -> None:
    """Say what publishing would say, and change nothing. Ends with status 1 if it would be refused.

    For example: kokoa graph check reviews reviews.graphql --url https://reviews.example.com/graphql
    """
    body = _order(file, url, fields, function)
    client = PartnerClient()
    report = _asked(client, "POST", client.subgraph(name, "/check"), body, json)
    if json:
        print(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    else:
        _explain(report)
    if report["findings"] or report["operations"]:
        sys.exit(1)


def withdraw(
    name: Name,
    *,
    tenant: str = "",
    environment: str = "prod",
    if_version: IfVersion = None,
    allow_breaking: AllowBreaking = False,
    json: Json = False,
) -> None:
    """Take a subgraph out of the graph; its versions are kept. An operator names the --tenant.

    For example: kokoa graph withdraw reviews
    """
    body = {"if_version": if_version, "allow_breaking": allow_breaking}
    if tenant:
        operator = OperatorClient()
        report = operator.request(
            "DELETE", f"{operator.environment(tenant, environment)}/subgraphs/{quote(name, safe='')}", body
        )
    else:
        client = PartnerClient()
        report = _asked(client, "DELETE", client.subgraph(name), body, json)
    _tell(report, f"{name} is withdrawn, in version {report['version']}", json)


def rollback(
    name: Name,
    version: Annotated[int, Parameter(help="A former version; `kokoa graph versions` lists them.")],
    *,
    if_version: IfVersion = None,
    allow_breaking: AllowBreaking = False,
    json: Json = False,
) -> None:
    """Publish what a former version was, as the next one; it is checked as any.

    For example: kokoa graph rollback reviews 3
    """
    body = {"version": version, "if_version": if_version, "allow_breaking": allow_breaking}
    client = PartnerClient()
    report = _asked(client, "POST", client.subgraph(name, "/rollback"), body, json)
    _tell(report, f"{name} is live in version {report['version']}, which is version {version} again", json)


def list_subgraphs(*, tenant: str = "", environment: str = "prod", json: Json = False) -> None:
    """The subgraphs of your account; with --tenant, for operators, those of all partners of an environment.

    For example: kokoa graph list

    For example: kokoa graph list --tenant boeing --environment dev
    """
    if tenant:
        operator = OperatorClient()
        path = f"{operator.environment(tenant, environment)}/subgraphs"
        rows = page = operator.request("GET", path)
        while page:
            page = operator.request("GET", f"{path}?after={rows[-1]['name']}")
            rows += page
    else:
        rows = PartnerClient().request("GET", "")
    show([_row(one) for one in rows], _COLUMNS, as_json=json, empty="No subgraph is published.")


def versions(name: Name, *, json: Json = False) -> None:
    """Every version of a subgraph, newest first; one without a hash is a withdrawal.

    For example: kokoa graph versions reviews
    """
    client = PartnerClient()
    rows = page = client.request("GET", client.subgraph(name, "/versions"))
    while page:
        page = client.request("GET", client.subgraph(name, f"/versions?before={rows[-1]['version']}"))
        rows += page
    columns = {
        "version": "VERSION",
        "target": "TARGET",
        "answers": "WHO ANSWERS",
        "sha256": "SHA-256",
        "bytes": "BYTES",
        "published_by": "BY",
        "published_at": "AT",
    }
    show([_row(one) for one in rows], columns, as_json=json, empty=f"You have no subgraph {name}.")


def _row(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "answers": one["url"] or one["function"]}


def _order(file: str, url: str, fields: str, function: str) -> dict[str, Any]:
    """Raises TargetUnclear, SdlUnreadable."""
    given = [(target, who) for target, who in (("url", url), ("fields", fields), ("function", function)) if who]
    if len(given) != 1:
        raise TargetUnclear(
            "Say who answers: --url https://reviews.example.com/graphql, --fields FUNCTION or --function FUNCTION."
        )
    ((target, who),) = given
    return {"sdl": _sdl(file), "target": target, "url": url, "function": "" if target == "url" else who}


def _sdl(file: str) -> str:
    try:
        if file == "-":
            content = sys.stdin.buffer.read(SDL_BYTES_MAX + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(SDL_BYTES_MAX + 1)
        text = content.decode()
    except OSError as error:
        raise SdlUnreadable(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SdlUnreadable(f"{file} is not text in UTF-8.") from None
    if len(content) > SDL_BYTES_MAX:
        raise SdlUnreadable(f"{file} has more than {SDL_BYTES_MAX // 1024 // 1024} MiB. Is it an SDL?")
    return text


def _asked(client: PartnerClient, method: str, path: str, body: object, json: bool) -> Any:
    """The answer. With --json a refusal is printed as JSON too, and ends with status 1."""
    try:
        return client.request(method, path, body)
    except PublishRefused as error:
        if not json:
            raise
        print(orjson.dumps(error.problem, option=orjson.OPT_INDENT_2).decode())
        sys.exit(1)


def _tell(report: dict[str, Any], done: str, json: bool) -> None:
    if json:
        print(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
        return
    print(f"{done}." if report["changed"] else f"{done}, as it was: nothing has changed.")
    for told in report["operations"]:
        print(f"  refused from now on: {told}")


def _explain(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    for one in report["findings"]:
        console.print(f"[bold red]{one['code']}[/] ", end="")
        console.print(one["message"], soft_wrap=True, markup=False)
    for told in report["operations"]:
        console.print("[bold red]BREAKS_OPERATION[/] ", end="")
        console.print(told, soft_wrap=True, markup=False)
    if not report["findings"] and not report["operations"]:
        needs = ", ".join(report["needs"]) or "nothing of others"
        console.print(f"{report['name']} can be published. It has {needs}.", soft_wrap=True, markup=False)
