"""Wiring; the only place that constructs things."""

from pathlib import Path

from kokoa.graphql import BEHIND_GATEWAY, Subgraph, build_subgraph
from kokoa.postgres import Database
from kokoa.services.carts.actions import CartActions
from kokoa.services.carts.model import Lifetimes
from kokoa.services.carts.pricing.graph import READ_WITHIN_MS, CartPrices, Graph
from kokoa.services.carts.resolvers import CartResolvers
from kokoa.services.carts.store import CartStore
from kokoa.services.carts.totals.graph import CartTotals

NAME = "carts"
FOLDER = Path(__file__).parent


class CartsService:
    """The service on its database.  graph: what carts ask for prices.  read_within_ms: how long a page waits."""

    def __init__(
        self,
        database: Database,
        graph: Graph,
        lifetimes: Lifetimes | None = None,
        read_within_ms: int = READ_WITHIN_MS,
    ) -> None:
        self.store = CartStore(database)
        prices, totals = CartPrices(graph), CartTotals(graph)
        self.actions = CartActions(database, self.store, prices, lifetimes or Lifetimes())
        self.subgraph: Subgraph = build_subgraph(
            name=NAME,
            sdl=FOLDER.joinpath("schema.graphql").read_text(),
            resolvers=CartResolvers(self.store, self.actions, prices, totals, read_within_ms).table(),
            limits=BEHIND_GATEWAY,
        )
