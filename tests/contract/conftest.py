"""What several contract tests share."""

from collections.abc import AsyncIterator

import pytest

from contract.cart_shop import CartStage, open_stage
from contract.catalog_shop import open_database
from kokoa.messaging import Bus, EmbeddedNats
from kokoa.messaging.feed import Feed
from kokoa.postgres import Database
from kokoa.postgres.vault import Vault
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.catalog.service import FOLDER as catalog_folder
from kokoa.services.catalog.service import CatalogService
from kokoa.services.customers.service import FOLDER as customers_folder
from kokoa.services.customers.service import CustomersService
from kokoa.services.inventory.service import FOLDER as inventory_folder
from kokoa.services.inventory.service import InventoryService
from kokoa.services.payments.service import FOLDER as payments_folder
from kokoa.services.payments.service import PaymentsService
from kokoa.services.promotions.service import FOLDER as promotions_folder
from kokoa.services.promotions.service import PromotionsService
from kokoa.services.search.service import FOLDER as search_folder
from kokoa.services.search.service import SearchService
from kokoa.services.shipping.service import FOLDER as shipping_folder
from kokoa.services.shipping.service import ShippingService
from kokoa.services.taxes.service import FOLDER as taxes_folder
from kokoa.services.taxes.service import TaxesService


@pytest.fixture(scope="module")
async def media_objects(tmp_path_factory: pytest.TempPathFactory) -> MediaObjects:
    """Where pictures are, one for a test file."""
    return MediaObjects.in_folder(tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="module")
async def catalog(
    postgres: str, nats_server: EmbeddedNats, media_objects: MediaObjects
) -> AsyncIterator[tuple[CatalogService, Database]]:
    """The service and its database, one for a test file: each test has environments of its own."""
    async with open_database(postgres, "catalog", catalog_folder / "migrations") as database:
        bus = await Bus.connect(nats_server.url, name="test-catalog")
        yield CatalogService(database, Feed(bus, "catalog"), media_objects), database
        await bus.close()


@pytest.fixture(scope="module")
async def search_index(postgres: str) -> AsyncIterator[SearchService]:
    """search, one for a test file."""
    async with open_database(postgres, "search", search_folder / "migrations") as database:
        yield SearchService(database)


@pytest.fixture(scope="module")
async def inventory_database(postgres: str) -> AsyncIterator[Database]:
    """inventory's, one for a test file."""
    async with open_database(postgres, "inventory", inventory_folder / "migrations") as database:
        yield database


@pytest.fixture(scope="module")
async def inventory(inventory_database: Database) -> InventoryService:
    """inventory, one for a test file: each test has environments of its own."""
    return InventoryService(inventory_database)


class _PlainTokens:
    """Access tokens that name what they are for; what proves it is the business of whoever verifies."""

    def sign(self, environment_id: str, customer_id: str, session_id: str) -> tuple[str, int]:
        return f"{environment_id}/{customer_id}/{session_id}", 2_000_000_000


@pytest.fixture(scope="module")
async def customers_database(postgres: str) -> AsyncIterator[Database]:
    """customers', one for a test file."""
    async with open_database(postgres, "customers", customers_folder / "migrations") as database:
        yield database


@pytest.fixture(scope="module")
async def customers(customers_database: Database) -> CustomersService:
    """customers, one for a test file: each test has environments of its own."""
    return CustomersService(customers_database, _PlainTokens())


@pytest.fixture(scope="module")
async def taxes_database(postgres: str) -> AsyncIterator[Database]:
    """taxes', one for a test file."""
    async with open_database(postgres, "taxes", taxes_folder / "migrations") as database:
        yield database


@pytest.fixture(scope="module")
async def taxes(taxes_database: Database) -> TaxesService:
    """taxes, one for a test file: each test has environments of its own."""
    return TaxesService(taxes_database)


@pytest.fixture(scope="module")
async def shipping_database(postgres: str) -> AsyncIterator[Database]:
    """shipping's, one for a test file."""
    async with open_database(postgres, "shipping", shipping_folder / "migrations") as database:
        yield database


@pytest.fixture(scope="module")
async def shipping(shipping_database: Database) -> ShippingService:
    """shipping, one for a test file: each test has environments of its own."""
    return ShippingService(shipping_database)


@pytest.fixture(scope="module")
async def promotions_database(postgres: str) -> AsyncIterator[Database]:
    """promotions', one for a test file."""
    async with open_database(postgres, "promotions", promotions_folder / "migrations") as database:
        yield database


@pytest.fixture(scope="module")
async def promotions(promotions_database: Database) -> PromotionsService:
    """promotions, one for a test file: each test has environments of its own."""
    return PromotionsService(promotions_database)


@pytest.fixture(scope="module")
async def cart_stage(
    postgres: str, nats_server: EmbeddedNats, media_objects: MediaObjects
) -> AsyncIterator[CartStage]:
    """carts, with the catalogue and the inventory that it asks through a gateway, one for a test file."""
    async with open_stage(postgres, nats_server.url, media_objects) as stage:
        yield stage


@pytest.fixture(scope="module")
async def payments_database(postgres: str) -> AsyncIterator[Database]:
    """payments', one for a test file."""
    async with open_database(postgres, "payments", payments_folder / "migrations") as database:
        yield database


@pytest.fixture(scope="module")
async def payments(payments_database: Database) -> PaymentsService:
    """payments, one for a test file: each test has environments of its own. Providers have time to answer."""
    return PaymentsService(payments_database, Vault(bytes(32)), call_timeout_ms=60_000)
