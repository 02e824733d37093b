"""Asks for every root field of the graph, with arguments made of what a store has, and for all that it answers.

Each field is asked with what it needs, and once more with each optional argument that names something (`id`, `sku`,
`email`, `cartToken`, …): two stores are alike, so what reaches something in one's own would reach it in the other.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)
from walk_seed import literal

from kokoa.gateway.compose import compose
from kokoa.gateway.supergraph import SubgraphDefinition
from kokoa.graphql.scopes import requirements_of
from kokoa.roles.platform import SCHEMAS, SERVICES

Known = Mapping[str, Sequence[Any]]

# What names something, wherever it stands.
NAMING = re.compile(
    r"id|ids|sku|skus|key|keys|email|token|slug|path|number|reference|code|codes|since|group|location|category|channel"
    r"|\w+Id|\w+Ids|\w+Token|\w+Reference|status|locale|publishAt"
)
# What a change must have to be one.
CHANGING = ("name", "description", "basisPoints", "displayStatus")
# An argument's name, or where it stands, and what it is the name of; the first that fits.
KINDS = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"^relateProducts\.productIds$", "OtherProduct"),
        (r"\w+\.(productId|productIds|bundle\w*Id)$", "Product"),
        (r"^createProductType\.key$", "=newType"),
        (r"^create(Channel|StockLocation)\.key$", "=new-key"),
        (r"^setLocales\.default$", "=en"),
        (r"^verifyEmail\.token$", "VerifyToken"),
        (r"^resetPassword\.token$", "ResetToken"),
        (r"^putTaxRate\.category$", "TaxCategory"),
        (r"\w+\.customerId$|^setCustomerGroups\.customerId", "Customer"),
        (r"\w+\.companyId$", "Company"),
        (r"\w+\.variantId$|^(orderVariants|variants)\.ids$|^(variant|updateVariant|removeVariant)\.id$", "Variant"),
        (r"^orderMedia\.ids$|\.mediaId$|^(updateMedia|deleteMedia)\.id$", "Media"),
        (r"\.(parentId|categoryId)$|^orderCategories\.ids$", "Category"),
        (r"^(\w*[cC]ategory\w*|setCategorySeo)\.id$", "Category"),
        (r"^(\w*ProductType|productType)\.id$", "ProductType"),
        (r"^(\w*Channel)\.id$", "Channel"),
        (r"^\w*StockLocation\.id$", "StockLocation"),
        (r"^(update|remove)Address\.id$", "Address"),
        (r"^(customer|updateCustomer)\.id$|^customers\.after$", "Customer"),
        (r"^(company|updateCompany)\.id$|^companies\.after$", "Company"),
        (r"^(change|remove)CartLines\.(lines\.id|lineIds)$", "CartLine"),
        (r"^placeOrder\.cartToken$", "CartToken"),
        (r"^(continuePlacement)\.cartToken$", "OrderCartToken"),
        (r"[cC]artToken$|^mergeCarts\.token$", "CartToken"),
        (r"^placeOrder\.cartId$|^\w*[cC]arts?\w*\.(id|after)$", "Cart"),
        (r"^settleTestPayment\.id$", "WaitingPayment"),
        (r"^settleTestPayment\.key$", "=authorize"),
        (r"^\w*[pP]ayment\.id$", "Payment"),
        (r"^payments\.reference$", "Reference"),
        (r"^(configurePaymentProvider\.key|\w+\.(provider|paymentProvider))$", "=manual"),
        (r"^\w+Fulfillment\.id$", "Fulfillment"),
        (r"^(cancel|receive|reject)Return\.id$|\.returnId$", "Return"),
        (r"^(order|cancelOrder|continuePlacement|setOrder\w+)\.id$|\.orderId$", "Order"),
        (r"\.lineId$", "OrderLine"),
        (r"\.number$|^(orders|myOrders)\.before$", "OrderNumber"),
        (r"^\w+\.skus?$|\.sku$", "Sku"),
        (r"[eE]mail$", "Email"),
        (r"[pP]assword$", "Password"),
        (r"\.refreshToken$", "RefreshToken"),
        (r"^(product|stock|customer)Changes\.since$", "{field}.since"),
        (r"\.slug$", "Slug"),
        (r"^(category)\.(path|slug)$|\.category$|\.categoryPaths$", "CategoryPath"),
        (r"^(productType)\.key$|\.productType$", "ProductTypeKey"),
        (r"\.channels?$", "ChannelKey"),
        (r"\.(location|from)$", "LocationKey"),
        (r"\.to$", "LastLocationKey"),
        (r"^\w*CustomField\.key$", "FieldKey"),
        (r"^(stockReservation|allocateStock|fulfilStock|releaseStock|reserveStock)\.key$", "Reservation"),
        (r"^(promotionRedemption|releasePromotion|redeemPromotion)\.key$", "Redemption"),
        (r"^(put|delete)CustomerGroup\.key$|^setCustomerGroups\.keys$|\.group$|\.customerGroups$", "GroupKey"),
        (r"^\w*TaxCategory\.key$|\.taxCategory$|\.defaultCategory$", "TaxCategory"),
        (r"^\w*Zone\.key$|\.zone$", "Zone"),
        (r"^\w*TaxRate\.key$", "TaxRate"),
        (r"^(\w*ShippingMethod|setCartShippingMethod)\.key$", "Method"),
        (r"\.codes?$", "Code"),
        (r"^\w*[vV]ariant\w*\.externalReference$", "VariantReference"),
        (r"^\w*[cC]ustomer\w*\.externalReference$", "CustomerReference"),
        (r"^bulkUpsertProducts\.externalReference$", "ProductReference"),
        (r"^(products|productConnection|productChanged|search|bulk\w*)\.ids$|^\w*\.ids$", "Product"),
        (r"^\w+\.id$", "Product"),
        (r"\.locale$|\.code$", "=de"),
        (r"[cC]urrency$", "=EUR"),
        (r"\.(country|sellerCountry)$", "=FI"),
        (r"\.(q|prefix|word)$", "=lamp"),
        (r"\.vatNumber$", "=FI12345678"),
    )
)
NUMBERS = {"version": 1, "limit": 5, "first": 5, "seconds": 60, "factor": 2.0, "depth": 3}


def store_schema() -> GraphQLSchema:
    """The graph of every store."""
    definitions = [SubgraphDefinition(one, SCHEMAS[one].with_name("schema.graphql").read_text()) for one in SERVICES]
    return compose(definitions).schema


class Questions:
    """Documents about what a store has.  secrets: whether its tokens and passwords are known to whoever asks."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self.needs = requirements_of(schema)

    def roots(self) -> Iterator[tuple[str, str]]:
        """(query or mutation, field), what only looks first and what takes away last."""
        last = re.compile(r"^(delete|remove|archive|discard|cancel|sign|release|mark|void|place|reset|change)")
        for kind in ("query", "mutation"):
            fields = self._root(kind).fields
            for field in sorted(
                fields, key=lambda name: (name.startswith(("signOut", "resetPassword")), bool(last.match(name)))
            ):
                yield kind, field

    def of_management(self, kind: str, field: str) -> bool:
        """Whether only management may ask for it."""
        needed = self.needs.get(f"{kind.title()}.{field}", ())
        return any(all("management" in scopes for scopes in alternatives) for alternatives in needed)

    def ask(self, kind: str, field: str, known: Known, *, management: bool, depth: int = 4) -> list[str]:
        """Documents, each about other things, or about the same by other names."""
        found = self._root(kind).fields[field]
        selected = self._selection(get_named_type(found.type), known, management, depth)
        documents: list[str] = []
        for pick in (0, 1):
            given = self._arguments(field, found, known, pick)
            documents += [f"{kind} {{ {field}{arguments} {selected} }}" for arguments in given]
        return list(dict.fromkeys(documents))

    def field(self, type_name: str, name: str) -> str:
        """It, and of what it leads to no more than the type."""
        type_ = self.schema.get_type(type_name)
        assert isinstance(type_, GraphQLObjectType)
        below = get_named_type(type_.fields[name].type)
        return name if is_leaf_type(below) else f"{name} {{ __typename }}"

    def _root(self, kind: str) -> GraphQLObjectType:
        root = self.schema.query_type if kind == "query" else self.schema.mutation_type
        assert root is not None
        return root

    def _selection(self, named: Any, known: Known, management: bool, depth: int) -> str:
        """All that may be selected, so deep."""
        if is_leaf_type(named):
            return ""
        if isinstance(named, GraphQLUnionType) or depth == 0:
            return "{ __typename }"
        parts = []
        for name, field in named.fields.items():
            if self.needs.get(f"{named.name}.{name}") and not management:
                continue
            below = get_named_type(field.type)
            if depth == 1 and not is_leaf_type(below):
                continue
            given = [
                f"{argument}: {self._value(f'{named.name}.{argument}', one.type, known, 0)}"
                for argument, one in field.args.items()
                if is_required_argument(one)
            ]
            head = f"{name}({', '.join(given)})" if given else name
            parts.append(f"{head} {self._selection(below, known, management, depth - 1)}".strip())
        return "{ __typename " + " ".join(parts) + " }"

    def _arguments(self, field: str, found: GraphQLField, known: Known, pick: int) -> Iterator[str]:
        """With what is needed, then with each optional argument that names something."""
        few = ("limit", "first")
        needed = {name: one.type for name, one in found.args.items() if is_required_argument(one) or name in few}
        values = {name: self._value(f"{field}.{name}", type_, known, pick) for name, type_ in needed.items()}
        yield _in_brackets(values)
        for name, one in found.args.items():
            given = get_named_type(one.type)
            if name not in needed and NAMING.fullmatch(name):
                yield _in_brackets({**values, name: self._value(f"{field}.{name}", one.type, known, pick)})
            if isinstance(given, GraphQLInputObjectType) and not _is_list(one.type):
                for inner in given.fields:
                    if NAMING.fullmatch(inner) and not is_required_input_field(given.fields[inner]):
                        whole = self._object(field, given, known, pick, extra=inner)
                        yield _in_brackets({**values, name: whole})

    def _value(self, place: str, type_: Any, known: Known, pick: int) -> str:
        """A value of an argument.  place: `field.argument`."""
        if isinstance(type_, GraphQLNonNull):
            return self._value(place, type_.of_type, known, pick)
        if isinstance(type_, GraphQLList):
            return f"[{self._value(place, type_.of_type, known, pick)}]"
        if isinstance(type_, GraphQLInputObjectType):
            return self._object(place.partition(".")[0], type_, known, pick)
        name = place.rpartition(".")[2]
        if isinstance(type_, GraphQLEnumType):
            return next(iter(type_.values))
        if type_.name in ("Int", "Float"):
            return str(NUMBERS.get(name, 1))
        if type_.name == "Boolean":
            return "true"
        if type_.name == "DateTime":
            return '"2030-01-01T00:00:00Z"'
        return literal(_named(place, known, pick))

    def _object(self, field: str, type_: GraphQLInputObjectType, known: Known, pick: int, extra: str = "") -> str:
        """What it needs, and one more; where it needs nothing that names something, the first that does."""
        names = [name for name, one in type_.fields.items() if is_required_input_field(one)]
        naming = [name for name in type_.fields if NAMING.fullmatch(name)]
        if extra:
            names.append(extra)
        elif naming and not any(NAMING.fullmatch(name) for name in names):
            names.append("sku" if "sku" in naming else naming[0])
        names += [name for name in CHANGING if name in type_.fields and name not in names]
        parts = {name: self._value(f"{field}.{name}", type_.fields[name].type, known, pick) for name in names}
        return "{" + ", ".join(f"{name}: {value}" for name, value in parts.items()) + "}"


def _is_list(type_: Any) -> bool:
    inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    return isinstance(inner, GraphQLList)


def _in_brackets(values: Mapping[str, str]) -> str:
    return f"({', '.join(f'{name}: {value}' for name, value in values.items())})" if values else ""


def _named(place: str, known: Known, pick: int) -> Any:
    """A value that names something the store has, by where it stands; else some text."""
    field = place.partition(".")[0]
    for pattern, kind in KINDS:
        if pattern.search(place):
            kind = kind.replace("{field}", field)
            if kind.startswith("="):
                return kind[1:]
            if kind.startswith("Last"):
                return known[kind[4:]][-1]
            if kind.startswith("Other"):
                return known[kind[5:]][pick - 1]
            return known[kind][pick % len(known[kind])]
    return "Some text"
