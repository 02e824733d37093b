"""Wiring; the only place that constructs things."""

from pathlib import Path

from kokoa.graphql import BEHIND_GATEWAY, Subgraph, build_subgraph
from kokoa.postgres import Database
from kokoa.postgres.vault import Vault
from kokoa.services.tenants.actions import TenantsActions
from kokoa.services.tenants.overrides.actions import OverridesActions
from kokoa.services.tenants.overrides.store import OverridesStore
from kokoa.services.tenants.resolvers import TenantsResolvers
from kokoa.services.tenants.store import TenantsStore
from kokoa.services.tenants.subgraphs.actions import SubgraphActions
from kokoa.services.tenants.subgraphs.store import SubgraphStore
from kokoa.services.tenants.used_operations.store import UsedOperationStore

NAME = "tenants"
FOLDER = Path(__file__).parent


class TenantsService:
    """The service on its database."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self.store = TenantsStore(database, vault)
        self.actions = TenantsActions(database, vault)
        self.overrides = OverridesStore(database)
        self.override_actions = OverridesActions(database)
        self.subgraphs = SubgraphStore(database)
        self.publishing = SubgraphActions(database)
        self.used_operations = UsedOperationStore(database)
        self.subgraph: Subgraph = build_subgraph(
            name=NAME,
            sdl=FOLDER.joinpath("schema.graphql").read_text(),
            resolvers=TenantsResolvers(self.store).table(),
            limits=BEHIND_GATEWAY,
        )
