"""Wiring; the only place that constructs things."""

from pathlib import Path

from kokoa.graphql import BEHIND_GATEWAY, DATE, DATE_TIME, JSON, Subgraph, build_subgraph
from kokoa.messaging.feed import Feed
from kokoa.postgres import Database
from kokoa.services.catalog.actions import CatalogActions
from kokoa.services.catalog.bulk.actions import BulkActions
from kokoa.services.catalog.bulk.resolvers import BulkResolvers
from kokoa.services.catalog.bulk.store import BulkStore
from kokoa.services.catalog.categories.actions import CategoryActions
from kokoa.services.catalog.categories.resolvers import CategoryResolvers
from kokoa.services.catalog.categories.store import CategoryStore
from kokoa.services.catalog.custom_fields.actions import DefinitionActions, ValueActions
from kokoa.services.catalog.custom_fields.batches import BatchActions
from kokoa.services.catalog.custom_fields.model import Definitions
from kokoa.services.catalog.custom_fields.resolvers import DefinitionResolvers, ValueResolvers
from kokoa.services.catalog.custom_fields.schemas import EnvironmentSchemas, StoreGraph
from kokoa.services.catalog.custom_fields.store import CustomFieldStore
from kokoa.services.catalog.lists.resolvers import ListResolvers
from kokoa.services.catalog.lists.store import ListStore
from kokoa.services.catalog.resolvers import CatalogResolvers
from kokoa.services.catalog.store import CatalogStore

NAME = "catalog"
FOLDER = Path(__file__).parent


class CatalogService:
    """The service on its database.

    feed: of its own events, for subscriptions.  graph: what the schema is a part of, if it is.
    subgraph: of environments without custom fields; `schemas` has those of the others.
    """

    def __init__(self, database: Database, feed: Feed, graph: StoreGraph | None = None) -> None:
        self._database = database
        self.feed = feed
        self.store = CatalogStore(database)
        self.actions = CatalogActions(database)
        self._category_store = CategoryStore(database)
        categories = CategoryResolvers(self._category_store, CategoryActions(database))
        lists = ListResolvers(ListStore(database))
        bulk = BulkResolvers(BulkStore(database), self.store, BulkActions(database))
        own = CatalogResolvers(self.store, self.actions, self._category_store, categories, lists, feed)
        self._resolvers = {**own.table(), **bulk.table()}
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
            resolvers={**self._resolvers, **values.table()},
            scalars={"DateTime": DATE_TIME, "Date": DATE, "JSON": JSON},
            limits=BEHIND_GATEWAY,
        )
