"""Wiring; the only place that constructs things."""

from pathlib import Path

from kokoa.graphql import BEHIND_GATEWAY, Subgraph, build_subgraph
from kokoa.postgres import Database
from kokoa.services.orders.actions import OrderActions
from kokoa.services.orders.following.acting import Acting
from kokoa.services.orders.following.actions import FollowingActions
from kokoa.services.orders.following.resolvers import FollowingResolvers
from kokoa.services.orders.following.store import FollowingStore
from kokoa.services.orders.fulfilling.actions import ChangeActions
from kokoa.services.orders.fulfilling.graph import Store
from kokoa.services.orders.fulfilling.resolvers import ChangeResolvers
from kokoa.services.orders.fulfilling.running import Running
from kokoa.services.orders.fulfilling.store import ChangeStore
from kokoa.services.orders.placing.graph import Graph, Shop
from kokoa.services.orders.resolvers import OrderResolvers
from kokoa.services.orders.returning.actions import ReturnActions
from kokoa.services.orders.returning.graph import Desk
from kokoa.services.orders.returning.resolvers import ReturnResolvers
from kokoa.services.orders.returning.store import ReturnStore
from kokoa.services.orders.store import OrderStore

NAME = "orders"
FOLDER = Path(__file__).parent
_GATHER_S = 0.1


class OrdersService:
    """The service on its database.  graph: where carts, stock and payments are.

    gather_s: how long placements with nothing left to do wait to be written down with others.
    """

    def __init__(self, database: Database, graph: Graph, *, gather_s: float = _GATHER_S) -> None:
        self.store = OrderStore(database)
        self.actions = OrderActions(database, self.store, Shop(graph), gather_s)
        changes = ChangeStore(database)
        running = Running(database, self.store, changes)
        self.changes = ChangeActions(database, changes, running, Store(graph))
        returns, following = ReturnStore(database), FollowingStore(database)
        self.acting = Acting(database, following, self.store, changes, self.changes)
        self.subgraph: Subgraph = build_subgraph(
            name=NAME,
            sdl=FOLDER.joinpath("schema.graphql").read_text(),
            resolvers=OrderResolvers(self.store, following, self.actions).table()
            | ChangeResolvers(self.store, changes, self.changes).table()
            | ReturnResolvers(self.store, returns, ReturnActions(database, returns, running, Desk(graph))).table()
            | FollowingResolvers(following, FollowingActions(database, following, self.acting)).table(),
            limits=BEHIND_GATEWAY,
        )

    async def close(self) -> None:
        """Write down what was done; before the database is closed."""
        await self.actions.close()
