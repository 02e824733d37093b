"""Wiring; the only place that constructs things."""

from pathlib import Path

from kokoa.graphql import BEHIND_GATEWAY, DATE_TIME, Subgraph, build_subgraph
from kokoa.postgres import Database
from kokoa.services.taxes.actions import TaxesActions
from kokoa.services.taxes.resolvers import TaxesResolvers
from kokoa.services.taxes.store import TaxesStore

NAME = "taxes"
FOLDER = Path(__file__).parent


class TaxesService:
    """The service on its database."""

    def __init__(self, database: Database) -> None:
        self.store = TaxesStore(database)
        self.actions = TaxesActions(database)
        self.subgraph: Subgraph = build_subgraph(
            name=NAME,
            sdl=FOLDER.joinpath("schema.graphql").read_text(),
            resolvers=TaxesResolvers(self.store, self.actions).table(),
            limits=BEHIND_GATEWAY,
            scalars={"DateTime": DATE_TIME},
        )
