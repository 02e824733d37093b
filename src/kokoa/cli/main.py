"""The command line's root: the groups, and how errors are shown."""

import sys

from cyclopts import App
from rich.console import Console

import kokoa
from kokoa.kernel.errors import KokoaError
from kokoa.web.logging import configure_logging

# command → (where it is, what it does). By name: a command's modules are imported when it runs, so that `kokoa
# routes` does not wait for what a web server needs.
COMMANDS = {
    "up": ("store:up", "Start everything on this machine; Ctrl-C stops all of it."),
    "reset": ("store:reset", "Remove the state folder with all data, secrets and logs."),
    "migrate": ("store:migrate", "Bring the schemas of your own PostgreSQL up to date."),
    "demo": ("store:demo", "Make the demo tenant and write demo.env."),
    "doctor": ("doctor:doctor", "What this machine offers, what is missing, and the remedy."),
    "serve": ("serve:serve", "Run one role in this process."),
    "tenant": ("tenant:tenant", "Tenants and their environments (operator)."),
    "partner": ("partner:partner", "Partners and their accounts (operator)."),
    "keys": ("keys:keys", "AWS-style access keys of partners (operator)."),
    "egress": ("egress:egress", "Hosts that an environment's functions may connect to (operator)."),
    "grants": ("grants:grants", "What partners may take of a store: paths and parts of the graph (operator)."),
    "operations": ("operations:operations", "GraphQL documents that clients may ask for by id (operator)."),
    "routes": ("routes:routes", "Routes of a store: native, extensions', overridden (operator)."),
    "overrides": ("overrides:overrides", "How overrides of a store behave, and what became of them (operator)."),
    "graph": ("graph:graph", "Compose subgraphs on this machine; publish them in a store (partner)."),
    "import": ("importing:imports", "Bring files into a store (tenant)."),
    "export": ("exporting:exports", "Write what a store has to files (tenant)."),
    "search": ("search:search", "The search index of a store: rebuild it, see how it is (operator)."),
    "logs": ("logs:logs", "What a function printed (partner)."),
}


def command_line(first: str = "") -> App:
    """The application for a command line that begins with this word.

    A known command is there alone, with all that its docstring says; otherwise all are listed with one line each.
    """
    app = App(
        name="kokoa",
        help="A self-hosted composable commerce cloud. `kokoa up` starts a store; README.md has a tour.",
        version=kokoa.__version__,
        help_format="plaintext",
    )
    for name, (place, purpose) in COMMANDS.items():
        if name == first:
            app.command(f"kokoa.cli.{place}", name=name)
        elif first not in COMMANDS:
            app.command(f"kokoa.cli.{place}", name=name, help=purpose)
    return app


def main() -> None:
    """Run a command. A KokoaError becomes one line and exit status 1; Ctrl-C exits with 130."""
    configure_logging("console", level="WARNING")  # `serve` sets up its own
    try:
        command_line(*sys.argv[1:2])()
    except KokoaError as error:
        console = Console(stderr=True, highlight=False)
        console.print(f"[bold red]error:[/] {error.message}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
