"""Wiring; the only place that constructs things."""

from pathlib import Path

from kokoa.graphql import BEHIND_GATEWAY, Subgraph, build_subgraph
from kokoa.postgres import Database
from kokoa.services.inventory.actions import InventoryActions
from kokoa.services.inventory.reservations.actions import ReservationActions
from kokoa.services.inventory.reservations.resolvers import ReservationResolvers
from kokoa.services.inventory.reservations.store import ReservationStore
from kokoa.services.inventory.resolvers import InventoryResolvers
from kokoa.services.inventory.store import InventoryStore

NAME = "inventory"
FOLDER = Path(__file__).parent


class InventoryService:
    """The service on its database."""

    def __init__(self, database: Database) -> None:
        self.store = InventoryStore(database)
        self.actions = InventoryActions(database)
        reservations = ReservationStore(database)
        self.reservations = ReservationActions(database, reservations)
        self.subgraph: Subgraph = build_subgraph(
            name=NAME,
            sdl=FOLDER.joinpath("schema.graphql").read_text(),
            resolvers={
                **InventoryResolvers(self.store, self.actions).table(),
                **ReservationResolvers(reservations, self.reservations).table(),
            },
            limits=BEHIND_GATEWAY,
        )
