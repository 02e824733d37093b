"""`kokoa up`, `kokoa reset`, `kokoa migrate`: the store of this folder."""

import asyncio
import shutil
from pathlib import Path

from rich.console import Console

from kokoa.kernel.errors import Invalid
from kokoa.postgres.place import remove_place
from kokoa.postgres.vault import Vault
from kokoa.processes import FileLock
from kokoa.roles.data import migrate_all
from kokoa.roles.demo import seed_demo
from kokoa.roles.doctor import require_able
from kokoa.roles.settings import Settings, load_settings, master_key
from kokoa.roles.up import run_store


class NotAStateFolder(Invalid):
    """The folder does not look like one that Kokoa made."""


def up() -> None:
    """Start everything on this machine; Ctrl-C stops all of it. What is in .kokoa/ is used again.

    For example:
      kokoa up
      KOKOA_PORT=9000 kokoa up
    """
    settings = load_settings()
    console = Console(highlight=False)
    require_able(settings)
    asyncio.run(
        run_store(
            settings,
            lambda line: console.print(f"  {line}", soft_wrap=True),
            on_ready=lambda: console.print(_welcome(settings), soft_wrap=True),
        )
    )


def reset(*, yes: bool = False) -> None:
    """Remove the state folder with all data, secrets and logs. The store must be stopped.

    Parameters
    ----------
    yes
        Do not ask.
    """
    settings = load_settings()
    state_dir = settings.state_dir
    if not state_dir.exists():
        print(f"{state_dir} does not exist; there is nothing to remove.")
        return
    if not (state_dir / "secrets").is_dir():
        raise NotAStateFolder(f"{state_dir} does not look like a state folder of Kokoa; it is left alone.")
    with FileLock(state_dir / "up.lock", what="The store of this folder"):
        question = f"Remove {state_dir} with all data and secrets? [y/N] "
        if not yes and input(question).strip().lower() not in ("y", "yes"):
            print("Nothing was removed.")
            return
        remove_place(state_dir)
        shutil.rmtree(state_dir)
    print(f"{state_dir} is removed.")


def migrate() -> None:
    """Bring the database's schemas up to date. KOKOA_DATABASE_URL must name a role that may create roles.

    For example: KOKOA_DATABASE_URL=postgresql://admin@db/kokoa kokoa migrate
    """
    settings = load_settings()
    if not settings.database_url:
        raise Invalid("KOKOA_DATABASE_URL is not set; `kokoa up` and `kokoa serve data` migrate by themselves.")
    applied = asyncio.run(migrate_all(settings.database_url, Vault(master_key(settings))))
    print(f"{applied} migrations applied.")


def demo() -> None:
    """Make the demo tenant with its goods, partner, key and grant, and write `demo.env`. Again is no error.

    `kokoa up` does it by itself. For example: kokoa demo && . .kokoa/demo.env
    """
    settings = load_settings()
    asyncio.run(seed_demo(settings))
    print(f"The demo tenant is there: . {_relative(settings.state_dir / 'demo.env')}")


def _welcome(settings: Settings) -> str:
    demo_env = _relative(settings.state_dir / "demo.env")
    lines = [
        "",
        f"[bold]Kokoa is up at {settings.url}[/]",
        f"  GraphQL, and GraphiQL  {settings.url}/graphql?tenant=demo",
        f"  REST                   {settings.url}/api/products   (described in {settings.url}/openapi.json)",
        f"  AWS endpoint           {settings.url}   (Lambda, API Gateway v2, STS, CloudWatch Logs)",
        f"  Logs                   {_relative(settings.state_dir / 'logs')}/",
        "",
        "In another terminal:",
        f'  . {demo_env} && export PATH="$PWD/.venv/bin:$PATH"',
        '  curl -s "$KOKOA_URL/api/search?q=lamp" -H "X-Tenant-ID: $KOKOA_TENANT_ID"',
        "",
        "Ctrl-C stops everything.",
    ]
    return "\n".join(lines if settings.demo else [*lines[:6], "", lines[-1]])


def _relative(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
