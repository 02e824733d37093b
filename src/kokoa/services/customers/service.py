"""Wiring; the only place that constructs things."""

from pathlib import Path

from kokoa.graphql import BEHIND_GATEWAY, Subgraph, build_subgraph
from kokoa.postgres import Database
from kokoa.services.customers.accounts.actions import AccessTokens, AccountActions
from kokoa.services.customers.accounts.resolvers import AccountResolvers
from kokoa.services.customers.actions import CustomersActions
from kokoa.services.customers.companies.actions import CompanyActions
from kokoa.services.customers.companies.resolvers import CompanyResolvers
from kokoa.services.customers.companies.store import CompanyStore
from kokoa.services.customers.resolvers import CustomersResolvers
from kokoa.services.customers.store import CustomersStore

NAME = "customers"
FOLDER = Path(__file__).parent


class CustomersService:
    """The service on its database.  tokens: makes what signed-in customers show."""

    def __init__(self, database: Database, tokens: AccessTokens) -> None:
        self.store = CustomersStore(database)
        actions = CustomersActions(database)
        accounts = AccountActions(database, tokens)
        companies = CompanyStore(database)
        self.subgraph: Subgraph = build_subgraph(
            name=NAME,
            sdl=FOLDER.joinpath("schema.graphql").read_text(),
            resolvers={
                **CustomersResolvers(self.store, actions).table(),
                **AccountResolvers(self.store, actions, accounts).table(),
                **CompanyResolvers(companies, self.store, CompanyActions(database)).table(),
            },
            limits=BEHIND_GATEWAY,
        )
