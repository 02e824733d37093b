"""Wiring; the only place that constructs things."""

from pathlib import Path

from kokoa.graphql import BEHIND_GATEWAY, DATE_TIME, Subgraph, build_subgraph
from kokoa.postgres import Database
from kokoa.postgres.leases import LEASE_S, Leases
from kokoa.services.taxes.actions import TaxesActions
from kokoa.services.taxes.resolvers import TaxesResolvers
from kokoa.services.taxes.store import KnownTable, TaxesStore

NAME = "taxes"
FOLDER = Path(__file__).parent


class TaxesService:
    """The service on its database.  lease_s: how long its tables are kept, 0 for not at all."""

    def __init__(self, database: Database, *, lease_s: float = LEASE_S) -> None:
        kept: Leases[KnownTable] = Leases(lease_s)
        self.store = TaxesStore(database, kept)
        self.actions = TaxesActions(database, kept)
        self.subgraph: Subgraph = build_subgraph(
            name=NAME,
            sdl=FOLDER.joinpath("schema.graphql").read_text(),
            resolvers=TaxesResolvers(self.store, self.actions).table(),
            limits=BEHIND_GATEWAY,
            scalars={"DateTime": DATE_TIME},
        )
