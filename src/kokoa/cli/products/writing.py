"""Products of a store as rows of a file that `kokoa import products` reads again."""

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import orjson

from kokoa.cli.products.graph import GraphClient
from kokoa.cli.products.model import COLUMNS, join_category, write_price
from kokoa.cli.products.reading import Format

PAGE = 100

EXPORT = """query Export($after: String, $limit: Int!) {
  bulkProducts(after: $after, limit: $limit) {
    cursor
    products {
      id externalReference name slug description category { breadcrumbs { name } } status
      variants { sku name priceMinor currency }
    }
  }
}"""


async def pages(client: GraphClient) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
    """Every product of the environment, a page at a time. Raises Refused, ImportFailed."""
    after = None
    while True:
        page = (await client.query(EXPORT, {"after": after, "limit": PAGE}))["bulkProducts"]
        yield page["products"]
        after = page["cursor"]
        if after is None:
            return


def reference_of(product: Mapping[str, Any]) -> str:
    """A product without an external reference is known by its id."""
    return str(product["externalReference"] or product["id"])


def head(kind: Format) -> bytes:
    """What a file begins with."""
    return (",".join(COLUMNS) + "\n").encode() if kind == "csv" else b""


def rows(products: Sequence[Mapping[str, Any]], kind: Format) -> bytes:
    """The lines of some products."""
    if kind == "jsonl":
        return b"".join(orjson.dumps(_json(product)) + b"\n" for product in products)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    for product in products:
        writer.writerows(_csv(product))
    return out.getvalue().encode()


def _names(product: Mapping[str, Any]) -> list[str]:
    category = product["category"]
    return [one["name"] for one in category["breadcrumbs"]] if category else []


def _json(product: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "externalReference": reference_of(product),
        "name": product["name"],
        "slug": product["slug"],
        "description": product["description"],
        "category": _names(product),
        "status": product["status"],
        "variants": product["variants"],
    }


def _csv(product: Mapping[str, Any]) -> list[list[str]]:
    reference = reference_of(product)
    category = join_category(_names(product))
    own = [reference, product["name"], product["slug"], product["description"], category, product["status"]]
    variants = [
        [one["sku"], one["name"], write_price(one["priceMinor"], one["currency"]), one["currency"]]
        for one in product["variants"]
    ]
    first, *others = variants or [[""] * 4]
    return [[*own, *first], *([reference, "", "", "", "", "", *one] for one in others)]
