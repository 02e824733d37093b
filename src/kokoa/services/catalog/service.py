"""Wiring; the only place that constructs things."""

from pathlib import Path

from kokoa.graphql import Subgraph, build_subgraph
from kokoa.postgres import Database
from kokoa.services.catalog.actions import CatalogActions
from kokoa.services.catalog.resolvers import CatalogResolvers
from kokoa.services.catalog.store import CatalogStore

NAME = "catalog"
FOLDER = Path(__file__).parent


class CatalogService:
    """The service on its database."""

    def __init__(self, database: Database) -> None:
        self.store = CatalogStore(database)
        self.actions = CatalogActions(database)
        self.subgraph: Subgraph = build_subgraph(
            name=NAME,
            sdl=FOLDER.joinpath("schema.graphql").read_text(),
            resolvers=CatalogResolvers(self.store, self.actions).table(),
        )
