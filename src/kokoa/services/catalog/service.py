"""Wiring; the only place that constructs things."""

from pathlib import Path
from typing import Any, Protocol

from kokoa.graphql import BEHIND_GATEWAY, DATE, DATE_TIME, JSON, Subgraph, build_subgraph
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
from kokoa.services.catalog.custom_fields.actions import DefinitionActions, ValueActions
from kokoa.services.catalog.custom_fields.batches import BatchActions
from kokoa.services.catalog.custom_fields.model import Definitions
from kokoa.services.catalog.custom_fields.resolvers import DefinitionResolvers, ValueResolvers
from kokoa.services.catalog.custom_fields.schemas import EnvironmentSchemas, StoreGraph
from kokoa.services.catalog.custom_fields.store import CustomFieldStore
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
    graph: what the schema is a part of, if it is.
    subgraph: of environments without custom fields; `schemas` has those of the others.
    """

    def __init__(
        self,
        database: Database,
        feed: Feed,
        objects: MediaObjects,
        *,
        clock: Clock = now_ms,
        graph: StoreGraph | None = None,
    ) -> None:
        self._database = database
        self.feed = feed
        self.store = CatalogStore(database)
        self.actions = CatalogActions(database)
        self._category_store = CategoryStore(database)
        categories = CategoryResolvers(self._category_store, CategoryActions(database))
        self.lists = ListStore(database)
        lists = ListResolvers(self.lists)
        self.bulk = BulkStore(database)
        bulk = BulkResolvers(self.bulk, self.store, BulkActions(database))
        type_store = TypeStore(database)
        types = TypeResolvers(type_store, TypeActions(database))
        details = DetailFields(type_store, self.store)
        variants = VariantResolvers(VariantStore(database), self.store, VariantActions(database))
        channel_store = ChannelStore(database)
        translations = TranslationResolvers(
            TranslationStore(database), self.store, channel_store, TranslationActions(database)
        )
        media_store = MediaStore(database)
        self.media_sweeper = MediaSweeper(media_store, objects)
        media = MediaResolvers(media_store, self.store, MediaActions(database, objects, Imaging()))
        channels = ChannelResolvers(channel_store, ChannelActions(database))
        relations = RelationResolvers(RelationStore(database), RelationActions(database))
        database.prelude = note_caller
        self.history = HistoryStore(database)
        history = HistoryResolvers(self.history)
        self.publishing = PublishingActions(database, clock)
        publishing = PublishingResolvers(
            PublishingStore(database), self.store, self._category_store, self.publishing, StagingActions(database)
        )
        own = CatalogResolvers(self.store, self.actions, self._category_store, categories, lists, channel_store, feed)
        self._resolvers = _tables_of(
            own, bulk, types, details, variants, translations, media, publishing, channels, relations, history
        )
        self._add_custom_fields(graph)

    def _add_custom_fields(self, graph: StoreGraph | None) -> None:
        """Declaring them is a part of every schema, so it comes before the subgraphs, which it makes more of."""
        self._custom_fields = CustomFieldStore(self._database)
        self.schemas = EnvironmentSchemas(
            self._custom_fields, self._build, FOLDER.joinpath("schema.graphql").read_text()
        )
        declaring = DefinitionActions(self._database, self._custom_fields, self.schemas, graph)
        self._resolvers |= DefinitionResolvers(self._custom_fields, declaring).table()
        self.subgraph: Subgraph = self.schemas.common

    def _build(self, definitions: Definitions, sdl: str) -> Subgraph:
        values = ValueResolvers(
            definitions,
            self._custom_fields,
            ValueActions(self._database, definitions),
            BatchActions(self._database, definitions),
            self.store,
            self._category_store,
        )
        return build_subgraph(
            name=NAME,
            sdl=sdl,
            resolvers=as_callers({**self._resolvers, **values.table()}),
            scalars={
                "DateTime": DATE_TIME,
                "Date": DATE,
                "JSON": JSON,
                "AttributeValue": ATTRIBUTE_VALUE,
                "CustomValue": JSON,
            },
            limits=BEHIND_GATEWAY,
        )


class _Resolvers(Protocol):
    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        ...


def _tables_of(*parts: _Resolvers) -> dict[str, Any]:
    return {field: resolve for part in parts for field, resolve in part.table().items()}
