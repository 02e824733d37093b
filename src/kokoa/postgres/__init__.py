"""PostgreSQL: the embedded server, a pool that pins the environment, named statements, migrations, the outbox."""

from kokoa.postgres.connections import Row
from kokoa.postgres.database import (
    ChangedConcurrently,
    Database,
    DatabaseFull,
    DatabaseUnavailable,
    TextNotStorable,
    Transaction,
    service_dsn,
)
from kokoa.postgres.embedded import EmbeddedPostgres
from kokoa.postgres.events import Envelope, Event
from kokoa.postgres.migrations import ServiceSchema, migrate
from kokoa.postgres.queries import Queries, load_queries

__all__ = [
    "ChangedConcurrently",
    "Database",
    "DatabaseFull",
    "DatabaseUnavailable",
    "EmbeddedPostgres",
    "Envelope",
    "Event",
    "Queries",
    "Row",
    "ServiceSchema",
    "TextNotStorable",
    "Transaction",
    "load_queries",
    "migrate",
    "service_dsn",
]
