"""Wiring; the only place that constructs things."""

from pathlib import Path

from kokoa.graphql import BEHIND_GATEWAY, Subgraph, build_subgraph
from kokoa.postgres import Database
from kokoa.postgres.leases import LEASE_S, Leases
from kokoa.services.shipping.actions import ShippingActions
from kokoa.services.shipping.resolvers import ShippingResolvers
from kokoa.services.shipping.store import KnownOffers, ShippingStore

NAME = "shipping"
FOLDER = Path(__file__).parent


class ShippingService:
    """The service on its database.  lease_s: how long its tables are kept, 0 for not at all."""

    def __init__(self, database: Database, *, lease_s: float = LEASE_S) -> None:
        kept: Leases[KnownOffers] = Leases(lease_s)
        self.store = ShippingStore(database, kept)
        self.actions = ShippingActions(database, kept)
        self.subgraph: Subgraph = build_subgraph(
            name=NAME,
            sdl=FOLDER.joinpath("schema.graphql").read_text(),
            resolvers=ShippingResolvers(self.store, self.actions).table(),
            limits=BEHIND_GATEWAY,
        )
