"""What a store defines, by which cells are read: product types, locales, custom fields."""

from kokoa.cli.products.cells import Definition, Types
from kokoa.cli.products.graph import GraphClient
from kokoa.cli.products.parts import StoreParts

PAGE = 50
_PAGES_MAX = 100

TYPES = """query Types($limit: Int!, $offset: Int!) {
  productTypes(limit: $limit, offset: $offset) { key attributes { key type level list } }
}"""

PARTS = """{ locales { code isDefault } customFields(on: PRODUCT) { key type isList } }"""


async def read_types(client: GraphClient) -> Types:
    """All of them. Raises Refused, ImportFailed."""
    found: dict[str, dict[str, Definition]] = {}
    for number in range(_PAGES_MAX):
        page = (await client.query(TYPES, {"limit": PAGE, "offset": number * PAGE}))["productTypes"]
        for one in page:
            found[one["key"]] = {each["key"]: Definition(**each) for each in one["attributes"]}
        if len(page) < PAGE:
            break
    return found


async def read_store_parts(client: GraphClient) -> StoreParts:
    """Locales and custom fields. Raises Refused, ImportFailed."""
    found = await client.query(PARTS, {})
    return StoreParts(
        next((one["code"] for one in found["locales"] if one["isDefault"]), ""),
        [one["code"] for one in found["locales"] if not one["isDefault"]],
        {one["key"]: Definition(one["key"], one["type"], "PRODUCT", one["isList"]) for one in found["customFields"]},
    )
