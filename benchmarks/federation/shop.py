"""The benchmark's shop: its data, its four subgraphs, its supergraph and its query."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse

from kokoa.gateway.compose import compose
from kokoa.gateway.plan import Plan, make_plan
from kokoa.gateway.supergraph import SubgraphDefinition, Supergraph
from kokoa.graphql import Limits, build_subgraph
from kokoa.graphql.subgraph import Subgraph
from kokoa.kernel.call import DEADLINE_DEFAULT_MS, Call, Caller
from kokoa.kernel.clock import now_ms

FOLDER = Path(__file__).parent
NAMES = ("accounts", "inventory", "products", "reviews")
QUERY = (FOLDER / "query.graphql").read_text()
ONE_FETCH = "query Users { users { id name username birthday } }"
AUTHOR = "1"
REVIEWS_OF_A_USER = 2
FREE_FROM = 1000
LIMITS = Limits(cost=100_000)
"""The schema says of no list how long it may be, so that the query is estimated to cost more than a store allows."""

Row = dict[str, Any]
Resolvers = dict[str, Callable[..., Any]]


def read_sdl(name: str) -> str:
    """What the subgraph's author wrote."""
    return (FOLDER / "sdl" / f"{name}.graphql").read_text()


def make_supergraph(base_url: str) -> Supergraph:
    """base_url: of the server that has all four, each under its name."""
    return compose([SubgraphDefinition(name, read_sdl(name), f"{base_url}/{name}") for name in NAMES])


def plan_of(supergraph: Supergraph) -> Plan:
    """Kokoa's plan for the query."""
    found = parse(QUERY).definitions
    fragments = {one.name.value: one for one in found if isinstance(one, FragmentDefinitionNode)}
    operation = next(one for one in found if isinstance(one, OperationDefinitionNode))
    return make_plan(supergraph, operation, fragments, {})


_CALLER = Caller("storefront" if os.environ.get("FEDERATION_SHARES") else "server")


def make_subgraphs() -> dict[str, Subgraph]:
    """The four, by name."""
    shop: dict[str, list[Row]] = orjson.loads((FOLDER / "shop.json").read_bytes())
    resolvers = {
        "accounts": _accounts(shop["users"]),
        "inventory": _inventory(shop["products"]),
        "products": _products(shop["products"]),
        "reviews": _reviews(shop["reviews"]),
    }
    return {
        name: build_subgraph(name=name, sdl=read_sdl(name), resolvers=own, limits=LIMITS)
        for name, own in resolvers.items()
    }


def make_call() -> Call:
    """A call of a server, which never shares its answer; or of a shopper, if FEDERATION_SHARES is set."""
    return Call("benchmark", _CALLER, "benchmark", now_ms() + DEADLINE_DEFAULT_MS)


def _accounts(users: Sequence[Row]) -> Resolvers:
    by_id = {one["id"]: one for one in users}
    return {
        "Query.me": lambda parents, args, call: [users[0]],
        "Query.user": lambda parents, args, call: [by_id.get(args["id"])],
        "Query.users": lambda parents, args, call: [users],
        "User": lambda references, call: [by_id.get(one["id"]) for one in references],
    }


def _inventory(products: Sequence[Row]) -> Resolvers:
    stock = {one["upc"]: one["in_stock"] for one in products}

    def products_of(references: Sequence[Row], call: Call) -> list[Row | None]:
        return [{**one, "in_stock": stock[one["upc"]]} if one["upc"] in stock else None for one in references]

    def estimates(parents: Sequence[Row], args: Mapping[str, Any], call: Call) -> list[int | None]:
        return [_estimate(one.get("price"), one.get("weight")) for one in parents]

    return {"Product": products_of, "Product.shippingEstimate": estimates}


def _estimate(price: int | None, weight: int | None) -> int | None:
    if price is not None and price > FREE_FROM:
        return 0
    return None if weight is None else weight // 2


def _products(products: Sequence[Row]) -> Resolvers:
    by_upc = {one["upc"]: one for one in products}
    return {
        "Query.topProducts": lambda parents, args, call: [products[: args["first"]]],
        "Product": lambda references, call: [by_upc.get(one["upc"]) for one in references],
    }


def _reviews(rows: Sequence[Row]) -> Resolvers:
    author = {"id": AUTHOR, "username": "urigo"}
    reviews = [
        {"id": one["id"], "body": one["body"], "product": {"upc": one["upc"]}, "author": author} for one in rows
    ]
    by_id = {one["id"]: one for one in reviews}
    by_upc: dict[str, list[Row]] = {}
    for one in reviews:
        by_upc.setdefault(one["product"]["upc"], []).append(one)
    return {
        "Review": lambda references, call: [by_id.get(one["id"]) for one in references],
        "User": lambda references, call: list(references),
        "User.reviews": lambda parents, args, call: [reviews[:REVIEWS_OF_A_USER]] * len(parents),
        "Product": lambda references, call: list(references),
        "Product.reviews": lambda parents, args, call: [by_upc.get(one["upc"], []) for one in parents],
    }
