"""Persisted operations: found by id, kept with their hash, and for their own environment only."""

from hashlib import sha256
from typing import Any

import msgspec
import pytest
from graph_fakes import make_call

from kokoa.graphql.errors import OperationNotRegistered, PersistedQueryHashMismatch, PersistedQueryNotFound
from kokoa.graphql.http import GraphQLRequest
from kokoa.graphql.persisted import PersistedOperations

TEXT = "{ products { id } }"
HASH = sha256(TEXT.encode()).hexdigest()
OTHER_ENVIRONMENT = "0190b6a0-0000-7000-8000-000000000002"


class Register:
    def __init__(self, **documents: str) -> None:
        self.documents = documents
        self.required = False

    async def find(self, environment_id: str, document_id: str) -> str | None:
        by_hash = {sha256(text.encode()).hexdigest(): text for text in self.documents.values()}
        return self.documents.get(document_id) or by_hash.get(document_id)

    async def are_required(self, environment_id: str) -> bool:
        return self.required


def asked(query: str | None = None, document_id: str | None = None) -> GraphQLRequest:
    return GraphQLRequest(query, document_id=document_id)


STOREFRONT: dict[str, Any] = {"kind": "storefront"}


async def test_an_automatic_document_is_asked_for_once_and_then_known_by_its_hash() -> None:
    persisted, call = PersistedOperations(Register()), make_call()
    with pytest.raises(PersistedQueryNotFound, match=r"^PersistedQueryNotFound$"):
        await persisted.text_of(asked(document_id=HASH), call)
    assert await persisted.text_of(asked(TEXT, HASH), call) == TEXT
    with pytest.raises(PersistedQueryNotFound):  # it was not run, so perhaps it is not even GraphQL
        await persisted.text_of(asked(document_id=HASH), call)
    persisted.keep(asked(TEXT, HASH), call)
    assert await persisted.text_of(asked(document_id=HASH), call) == TEXT


async def test_another_environment_does_not_know_it() -> None:
    persisted, call = PersistedOperations(Register()), make_call()
    persisted.keep(asked(TEXT, HASH), call)
    other = msgspec.structs.replace(call, environment_id=OTHER_ENVIRONMENT)
    with pytest.raises(PersistedQueryNotFound):
        await persisted.text_of(asked(document_id=HASH), other)


async def test_nobody_can_keep_a_document_under_another_ones_hash() -> None:
    persisted = PersistedOperations(Register())
    with pytest.raises(PersistedQueryHashMismatch):
        await persisted.text_of(asked("{ evil }", HASH), make_call())
    with pytest.raises(PersistedQueryHashMismatch):
        await persisted.text_of(asked("{ evil }", "product-page"), make_call())


async def test_what_is_kept_is_bounded() -> None:
    persisted, call = PersistedOperations(Register()), make_call()
    long = "{ a " + "#" * 5_000 + "\n}"
    digest = sha256(long.encode()).hexdigest()
    persisted.keep(asked(long, digest), call)
    with pytest.raises(PersistedQueryNotFound):
        await persisted.text_of(asked(document_id=digest), call)


@pytest.mark.parametrize("document_id", ["product-page", HASH])
async def test_a_registered_document_is_known_by_name_and_by_hash(document_id: str) -> None:
    persisted = PersistedOperations(Register(**{"product-page": TEXT}))
    assert await persisted.text_of(asked(document_id=document_id), make_call(**STOREFRONT)) == TEXT


async def test_a_store_may_run_registered_documents_only_for_storefronts() -> None:
    register = Register(**{"product-page": TEXT})
    persisted, call = PersistedOperations(register), make_call(**STOREFRONT)
    register.required = True
    for refused in (
        asked("{ other }"),
        asked(document_id="f" * 64),
        asked("{ other }", sha256(b"{ other }").hexdigest()),
    ):
        with pytest.raises(OperationNotRegistered, match="kokoa operations register"):
            await persisted.text_of(refused, call)
    assert await persisted.text_of(asked(TEXT), call) == TEXT
    assert await persisted.text_of(asked(document_id="product-page"), call) == TEXT
    assert await persisted.text_of(asked("{ other }"), make_call()) == "{ other }"
