"""Wiring; the only place that constructs things."""

from pathlib import Path

from kokoa.graphql import BEHIND_GATEWAY, Subgraph, build_subgraph
from kokoa.postgres import Database
from kokoa.postgres.vault import Vault
from kokoa.services.payments.actions import CALL_TIMEOUT_MS, PaymentActions
from kokoa.services.payments.providers.actions import Providers
from kokoa.services.payments.providers.manual import ManualProvider
from kokoa.services.payments.providers.secrets import SecretKeys
from kokoa.services.payments.reconciling.actions import Reconciler
from kokoa.services.payments.resolvers import PaymentResolvers, ProviderResolvers
from kokoa.services.payments.simulator.bank import Bank
from kokoa.services.payments.simulator.deliveries import Deliveries
from kokoa.services.payments.simulator.provider import TestProvider
from kokoa.services.payments.store import PaymentsStore
from kokoa.services.payments.stripe.api import StripeApi
from kokoa.services.payments.stripe.provider import StripeProvider
from kokoa.services.payments.webhooks.actions import Webhooks

NAME = "payments"
FOLDER = Path(__file__).parent


class PaymentsService:
    """The service on its database.  call_timeout_ms: how long a provider's answer is waited for.

    stripe_url: where Stripe is.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        call_timeout_ms: int = CALL_TIMEOUT_MS,
        stripe_url: str = "https://api.stripe.com",
    ) -> None:
        bank = Bank(database)
        self._stripe = StripeApi(stripe_url)
        stripe = StripeProvider(self._stripe, SecretKeys(database, vault))
        self.store = PaymentsStore(database)
        self.providers = Providers(database, vault, [ManualProvider(), stripe, TestProvider(bank)])
        self.actions = PaymentActions(database, self.store, self.providers, call_timeout_ms)
        self.reconciler = Reconciler(database, self.store, self.providers, call_timeout_ms)
        self.webhooks = Webhooks(database, self.providers)
        self.deliveries = Deliveries(bank, self.providers, self.webhooks)
        self.subgraph: Subgraph = build_subgraph(
            name=NAME,
            sdl=FOLDER.joinpath("schema.graphql").read_text(),
            resolvers={
                **PaymentResolvers(self.store, self.actions).table(),
                **ProviderResolvers(self.providers, bank, self.deliveries, self.store).table(),
            },
            limits=BEHIND_GATEWAY,
        )

    async def close(self) -> None:
        """Give connections to providers back."""
        await self._stripe.close()
