"""Wiring; the only place that constructs things."""

from pathlib import Path

from kokoa.graphql import BEHIND_GATEWAY, DATE_TIME, Subgraph, build_subgraph
from kokoa.postgres import Database
from kokoa.services.promotions.actions import PromotionsActions
from kokoa.services.promotions.resolvers import PromotionsResolvers
from kokoa.services.promotions.store import PromotionsStore

NAME = "promotions"
FOLDER = Path(__file__).parent


class PromotionsService:
    """The service on its database."""

    def __init__(self, database: Database) -> None:
        self.store = PromotionsStore(database)
        self.actions = PromotionsActions(database)
        self.subgraph: Subgraph = build_subgraph(
            name=NAME,
            sdl=FOLDER.joinpath("schema.graphql").read_text(),
            resolvers=PromotionsResolvers(self.store, self.actions).table(),
            limits=BEHIND_GATEWAY,
            scalars={"DateTime": DATE_TIME},
        )
