"""Wiring; the only place that constructs things."""

from pathlib import Path

from kokoa.graphql import BEHIND_GATEWAY, DATE_TIME, Subgraph, build_subgraph
from kokoa.kernel.clock import Clock, now_ms
from kokoa.messaging.feed import Feed
from kokoa.postgres import Database
from kokoa.services.catalog.actions import CatalogActions
from kokoa.services.catalog.audit.acting import as_callers, note_caller
from kokoa.services.catalog.audit.resolvers import HistoryResolvers
from kokoa.services.catalog.audit.store import HistoryStore
from kokoa.services.catalog.bulk.actions import BulkActions
from kokoa.services.catalog.bulk.resolvers import BulkResolvers
from kokoa.services.catalog.bulk.store import BulkStore
from kokoa.services.catalog.categories.actions import CategoryActions
from kokoa.services.catalog.categories.resolvers import CategoryResolvers
from kokoa.services.catalog.categories.store import CategoryStore
from kokoa.services.catalog.channels.actions import ChannelActions
from kokoa.services.catalog.channels.resolvers import ChannelResolvers
from kokoa.services.catalog.channels.store import ChannelStore
from kokoa.services.catalog.lists.resolvers import ListResolvers
from kokoa.services.catalog.lists.store import ListStore
from kokoa.services.catalog.publishing.actions import PublishingActions
from kokoa.services.catalog.publishing.resolvers import PublishingResolvers
from kokoa.services.catalog.publishing.staging import StagingActions
from kokoa.services.catalog.publishing.store import PublishingStore
from kokoa.services.catalog.relations.actions import RelationActions
from kokoa.services.catalog.relations.resolvers import RelationResolvers
from kokoa.services.catalog.relations.store import RelationStore
from kokoa.services.catalog.resolvers import CatalogResolvers
from kokoa.services.catalog.store import CatalogStore

NAME = "catalog"
FOLDER = Path(__file__).parent


class CatalogService:
    """The service on its database.  feed: of its own events, for subscriptions.  clock: says what is due."""

    def __init__(self, database: Database, feed: Feed, clock: Clock = now_ms) -> None:
        self.feed = feed
        self.store = CatalogStore(database)
        self.actions = CatalogActions(database)
        category_store = CategoryStore(database)
        categories = CategoryResolvers(category_store, CategoryActions(database))
        lists = ListResolvers(ListStore(database))
        bulk = BulkResolvers(BulkStore(database), self.store, BulkActions(database))
        channel_store = ChannelStore(database)
        channels = ChannelResolvers(channel_store, ChannelActions(database))
        relations = RelationResolvers(RelationStore(database), RelationActions(database))
        database.prelude = note_caller
        self.history = HistoryStore(database)
        history = HistoryResolvers(self.history)
        self.publishing = PublishingActions(database, clock)
        publishing = PublishingResolvers(
            PublishingStore(database), self.store, category_store, self.publishing, StagingActions(database)
        )
        own = CatalogResolvers(self.store, self.actions, category_store, categories, lists, channel_store, feed)
        self.subgraph: Subgraph = build_subgraph(
            name=NAME,
            sdl=FOLDER.joinpath("schema.graphql").read_text(),
            resolvers=as_callers(
                {
                    **own.table(),
                    **bulk.table(),
                    **publishing.table(),
                    **channels.table(),
                    **relations.table(),
                    **history.table(),
                }
            ),
            scalars={"DateTime": DATE_TIME},
            limits=BEHIND_GATEWAY,
        )
