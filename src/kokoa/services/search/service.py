"""Wiring; the only place that constructs things."""

from pathlib import Path

from kokoa.graphql import BEHIND_GATEWAY, Subgraph, build_subgraph
from kokoa.postgres import Database
from kokoa.services.search.actions import Graph, SearchActions
from kokoa.services.search.resolvers import SearchResolvers
from kokoa.services.search.store import SearchStore

NAME = "search"
FOLDER = Path(__file__).parent


class SearchService:
    """The service on its database."""

    def __init__(self, database: Database) -> None:
        self.store = SearchStore(database)
        self.subgraph: Subgraph = build_subgraph(
            name=NAME,
            sdl=FOLDER.joinpath("schema.graphql").read_text(),
            resolvers=SearchResolvers(self.store).table(),
            limits=BEHIND_GATEWAY,
        )

    def indexer(self, graph: Graph) -> SearchActions:
        """What keeps the index in step; it needs the graph, which the answering side does not."""
        return SearchActions(self.store, graph)
