"""Wiring; the only place that constructs things."""

from pathlib import Path

from kokoa.graphql import BEHIND_GATEWAY, Subgraph, build_subgraph
from kokoa.postgres import Database
from kokoa.services.shipping.actions import ShippingActions
from kokoa.services.shipping.resolvers import ShippingResolvers
from kokoa.services.shipping.store import ShippingStore

NAME = "shipping"
FOLDER = Path(__file__).parent


class ShippingService:
    """The service on its database."""

    def __init__(self, database: Database) -> None:
        self.store = ShippingStore(database)
        self.actions = ShippingActions(database)
        self.subgraph: Subgraph = build_subgraph(
            name=NAME,
            sdl=FOLDER.joinpath("schema.graphql").read_text(),
            resolvers=ShippingResolvers(self.store, self.actions).table(),
            limits=BEHIND_GATEWAY,
        )
