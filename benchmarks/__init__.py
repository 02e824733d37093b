"""Benchmarks: Kokoa against floors that are measured in the same run. `make bench`, `make soak`."""

from importlib.util import find_spec


def require_installed(module: str) -> None:
    """Benchmarks ask as clients do, and have those from the tests' requirements. Ends the program without them."""
    if find_spec(module) is None:
        raise SystemExit(
            f"{module} is not installed: a store runs without it, benchmarks and tests do not.\n"
            "`make dev` installs what they need."
        )


require_installed("boto3")
