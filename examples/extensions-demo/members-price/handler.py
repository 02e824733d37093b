"""A price of one's own for every product: asked once for a whole page, one price for each product comes back."""

from typing import Any


def handler(event: dict[str, Any], context: Any) -> list[float]:
    """event: {"field": "Product.price", "arguments": {}, "parents": [{"id": …}, …], "context": {…}}"""
    return [9.99 for _product in event["parents"]]
