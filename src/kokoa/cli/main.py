"""The command line's root: the groups, and how errors are shown."""

import sys

from cyclopts import App
from rich.console import Console

import kokoa
from kokoa.cli import doctor, grants, keys, logs, partner, routes, serve, store, tenant
from kokoa.kernel.errors import KokoaError
from kokoa.web.logging import configure_logging

app = App(
    name="kokoa",
    help="A self-hosted composable commerce cloud. `kokoa up` starts a store; README.md has a tour.",
    version=kokoa.__version__,
)
for group in (store, serve, doctor, tenant, partner, keys, grants, routes, logs):
    group.register(app)


def main() -> None:
    """Run a command. A KokoaError becomes one line and exit status 1; Ctrl-C exits with 130."""
    configure_logging("console", level="WARNING")  # `serve` sets up its own
    try:
        app()
    except KokoaError as error:
        console = Console(stderr=True, highlight=False)
        console.print(f"[bold red]error:[/] {error.message}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
