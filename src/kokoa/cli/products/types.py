"""The product types of a store, by which cells of attributes are read."""

from kokoa.cli.products.cells import Definition, Types
from kokoa.cli.products.graph import GraphClient

PAGE = 50
_PAGES_MAX = 100

TYPES = """query Types($limit: Int!, $offset: Int!) {
  productTypes(limit: $limit, offset: $offset) { key attributes { key type level list } }
}"""


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
