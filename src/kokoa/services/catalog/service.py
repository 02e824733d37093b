"""Wiring; the only place that constructs things."""

from pathlib import Path

from kokoa.graphql import BEHIND_GATEWAY, Subgraph, build_subgraph
from kokoa.messaging.feed import Feed
from kokoa.postgres import Database
from kokoa.services.catalog.actions import CatalogActions
from kokoa.services.catalog.bulk.actions import BulkActions
from kokoa.services.catalog.bulk.resolvers import BulkResolvers
from kokoa.services.catalog.bulk.store import BulkStore
from kokoa.services.catalog.resolvers import CatalogResolvers
from kokoa.services.catalog.store import CatalogStore

NAME = "catalog"
FOLDER = Path(__file__).parent


class CatalogService:
    """The service on its database.  feed: of its own events, for subscriptions."""

    def __init__(self, database: Database, feed: Feed) -> None:
        self.feed = feed
        self.store = CatalogStore(database)
        self.actions = CatalogActions(database)
        bulk = BulkResolvers(BulkStore(database), self.store, BulkActions(database))
        self.subgraph: Subgraph = build_subgraph(
            name=NAME,
            sdl=FOLDER.joinpath("schema.graphql").read_text(),
            resolvers={**CatalogResolvers(self.store, self.actions, feed).table(), **bulk.table()},
            limits=BEHIND_GATEWAY,
        )
