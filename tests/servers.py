"""What tests say about the real servers that tests/conftest.py starts."""

from collections.abc import Awaitable, Callable

from kokoa.postgres import Database

SERVICE_PASSWORD = "for-tests-only"

# connect_service(name, migrations folder) → the service's database, migrated
ConnectService = Callable[..., Awaitable[Database]]
