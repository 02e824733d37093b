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
from kokoa.services.catalog.media.actions import MediaActions, MediaSweeper
from kokoa.services.catalog.media.imaging_process import Imaging
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.catalog.media.resolvers import MediaResolvers
from kokoa.services.catalog.media.store import MediaStore
from kokoa.services.catalog.publishing.actions import PublishingActions
from kokoa.services.catalog.publishing.resolvers import PublishingResolvers
from kokoa.services.catalog.publishing.staging import StagingActions
from kokoa.services.catalog.publishing.store import PublishingStore
from kokoa.services.catalog.relations.actions import RelationActions
from kokoa.services.catalog.relations.resolvers import RelationResolvers
from kokoa.services.catalog.relations.store import RelationStore
from kokoa.services.catalog.resolvers import CatalogResolvers
from kokoa.services.catalog.store import CatalogStore
from kokoa.services.catalog.translations.actions import TranslationActions
from kokoa.services.catalog.translations.resolvers import TranslationResolvers
from kokoa.services.catalog.translations.store import TranslationStore
from kokoa.services.catalog.types.actions import TypeActions
from kokoa.services.catalog.types.fields import DetailFields
from kokoa.services.catalog.types.resolvers import ATTRIBUTE_VALUE, TypeResolvers
from kokoa.services.catalog.types.store import TypeStore
from kokoa.services.catalog.variants.actions import VariantActions
from kokoa.services.catalog.variants.resolvers import VariantResolvers
from kokoa.services.catalog.variants.store import VariantStore

NAME = "catalog"
FOLDER = Path(__file__).parent


class CatalogService:
    """The service on its database.

    feed: of its own events, for subscriptions.  objects: where pictures are.  clock: says what is due.
    """

    def __init__(self, database: Database, feed: Feed, objects: MediaObjects, clock: Clock = now_ms) -> None:
        self.feed = feed
        self.store = CatalogStore(database)
        self.actions = CatalogActions(database)
        category_store = CategoryStore(database)
        categories = CategoryResolvers(category_store, CategoryActions(database))
        lists = ListResolvers(ListStore(database))
        bulk = BulkResolvers(BulkStore(database), self.store, BulkActions(database))
        type_store = TypeStore(database)
        types = TypeResolvers(type_store, TypeActions(database))
        details = DetailFields(type_store, self.store)
        variants = VariantResolvers(VariantStore(database), self.store, VariantActions(database))
        translations = TranslationResolvers(TranslationStore(database), self.store, TranslationActions(database))
        media_store = MediaStore(database)
        self.media_sweeper = MediaSweeper(media_store, objects)
        media = MediaResolvers(media_store, self.store, MediaActions(database, objects, Imaging()))
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
                    **types.table(),
                    **details.table(),
                    **variants.table(),
                    **translations.table(),
                    **media.table(),
                    **publishing.table(),
                    **channels.table(),
                    **relations.table(),
                    **history.table(),
                }
            ),
            scalars={"DateTime": DATE_TIME, "AttributeValue": ATTRIBUTE_VALUE},
            limits=BEHIND_GATEWAY,
        )
