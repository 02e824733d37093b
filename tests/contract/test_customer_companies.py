"""Companies: who may manage them, who buys for them, and what nobody else sees."""

import asyncio

import pytest

from contract.customer_desk import MERCHANT, NOBODY, Desk, Who, in_session
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.services.customers.service import CustomersService

CREATE = "mutation($input: CreateCompanyInput!) { createCompany(input: $input) { id vatNumber version } }"
UPDATE = "mutation($input: UpdateCompanyInput!) { updateCompany(input: $input) { name version } }"
ROLE = """mutation($id: ID!, $email: String!, $role: CompanyRole!) {
  setCompanyRole(companyId: $id, email: $email, role: $role) { people { role customer { email } } } }"""
REMOVE = (
    "mutation($id: ID!, $person: ID!) { removeFromCompany(companyId: $id, customerId: $person) { people { role } } }"
)
COMPANY = "query($id: ID!) { company(id: $id) { name people { role } } }"
MINE = "{ me { companies { role company { name } } } }"


@pytest.fixture
def desk(customers: CustomersService, customers_database: Database) -> Desk:
    return Desk(customers, customers_database)


async def company_of(desk: Desk, *people: tuple[str, str]) -> tuple[str, list[Who]]:
    """A company with people in roles."""
    made = await desk.data(CREATE, MERCHANT, input={"name": "Engines", "vatNumber": "FI 12345678"})
    found = []
    for email, role in people:
        found.append(in_session(await desk.register(email)))
        await desk.data(ROLE, MERCHANT, id=made["id"], email=email, role=role)
    return made["id"], found


async def test_an_admin_manages_the_company_and_its_people(desk: Desk) -> None:
    company, (ada, bob) = await company_of(desk, ("ada@x.io", "ADMIN"), ("bob@x.io", "BUYER"))
    await desk.register("eve@x.io")
    people = await desk.data(ROLE, ada, id=company, email="EVE@x.io", role="APPROVER")
    assert sorted((one["customer"]["email"], one["role"]) for one in people["people"]) == [
        ("ada@x.io", "ADMIN"),
        ("bob@x.io", "BUYER"),
        ("eve@x.io", "APPROVER"),
    ]
    assert (await desk.data(MINE, bob))["companies"] == [{"role": "BUYER", "company": {"name": "Engines"}}]
    assert (await desk.data(UPDATE, ada, input={"id": company, "version": 4, "name": "Engines Ltd"}))["version"] == 5
    assert await desk.code(UPDATE, ada, input={"id": company, "version": 4, "name": "X"}) == "COMPANY_CHANGED"
    assert await desk.code(ROLE, ada, id=company, email="nobody@x.io", role="BUYER") == "CUSTOMER_NOT_FOUND"


async def test_a_buyer_may_look_and_leave_and_nothing_else(desk: Desk) -> None:
    company, (ada, bob) = await company_of(desk, ("ada@x.io", "ADMIN"), ("bob@x.io", "BUYER"))
    assert await desk.code(UPDATE, bob, input={"id": company, "version": 3, "name": "Mine"}) == "COMPANY_ROLE_MISSING"
    assert await desk.code(ROLE, bob, id=company, email="bob@x.io", role="ADMIN") == "COMPANY_ROLE_MISSING"
    assert await desk.code(REMOVE, bob, id=company, person=ada.caller.subject) == "COMPANY_ROLE_MISSING"
    assert (await desk.data(REMOVE, bob, id=company, person=bob.caller.subject))["people"] == [{"role": "ADMIN"}]
    assert await desk.data(COMPANY, bob, id=company) is None


async def test_a_company_keeps_an_admin(desk: Desk) -> None:
    company, (ada, _) = await company_of(desk, ("ada@x.io", "ADMIN"), ("bob@x.io", "BUYER"))
    assert await desk.code(REMOVE, ada, id=company, person=ada.caller.subject) == "LAST_ADMIN"
    assert await desk.code(ROLE, ada, id=company, email="ada@x.io", role="BUYER") == "LAST_ADMIN"
    await desk.data(ROLE, ada, id=company, email="bob@x.io", role="ADMIN")
    await desk.data(REMOVE, ada, id=company, person=ada.caller.subject)


async def test_a_company_that_is_asked_for_twice_with_a_key_is_made_once(desk: Desk) -> None:
    given = {"name": "Engines", "vatNumber": "FI12345678", "idempotencyKey": "k"}
    made = await asyncio.gather(*(desk.data(CREATE, MERCHANT, input=given) for _ in range(10)))
    assert [one["id"] for one in made] == [made[0]["id"]] * 10
    await desk.data(UPDATE, MERCHANT, input={"id": made[0]["id"], "version": 1, "name": "Engines Ltd"})
    assert await desk.data(CREATE, MERCHANT, input=given | {"vatNumber": "fi 1234-5678"}) == made[0], (
        "the same number"
    )
    assert await desk.code(CREATE, MERCHANT, input=given | {"name": "Other"}) == "IDEMPOTENCY_KEY_REUSED"
    assert await desk.code(CREATE, MERCHANT, input=given | {"idempotencyKey": ""}) == "INVALID_IDEMPOTENCY_KEY"
    taken = given | {"idempotencyKey": "free"}
    assert await desk.code(CREATE, MERCHANT, input=taken) == "COMPANY_TAKEN"
    assert (await desk.data(CREATE, MERCHANT, input=taken | {"vatNumber": "FI87654321"}))["id"] != made[0]["id"]


async def test_strangers_see_nothing_of_it(desk: Desk, customers: CustomersService) -> None:
    company, (ada,) = await company_of(desk, ("ada@x.io", "ADMIN"))
    eve = in_session(await desk.register("eve@x.io"))
    assert await desk.data(COMPANY, eve, id=company) is None
    assert await desk.data(COMPANY, NOBODY, id=company) is None
    for code in (
        await desk.code(UPDATE, eve, input={"id": company, "version": 2, "name": "Mine"}),
        await desk.code(ROLE, eve, id=company, email="eve@x.io", role="ADMIN"),
        await desk.code(REMOVE, eve, id=company, person=ada.caller.subject),
        await desk.code(ROLE, MERCHANT, id=new_id(), email="eve@x.io", role="ADMIN"),
    ):
        assert code == "COMPANY_NOT_FOUND"
    other = Desk(customers, desk.database)
    assert await other.data(COMPANY, MERCHANT, id=company) is None
    assert await other.code(UPDATE, MERCHANT, input={"id": company, "version": 2, "name": "X"}) == "COMPANY_NOT_FOUND"
    entities = "query($all: [_Any!]!) { _entities(representations: $all) { ... on Company { name } } }"
    asked = [{"__typename": "Company", "id": company}]
    assert await desk.data(entities, eve, all=asked) == [None]
    assert await desk.data(entities, ada, all=asked) == [{"name": "Engines"}]


async def test_bad_companies_are_refused(desk: Desk) -> None:
    good = {"name": "Engines", "vatNumber": "FI12345678"}
    assert await desk.code(CREATE, MERCHANT, input=good | {"name": " "}) == "INVALID_COMPANY"
    assert await desk.code(CREATE, MERCHANT, input=good | {"vatNumber": "1"}) == "INVALID_VAT_NUMBER"
    assert await desk.code(CREATE, MERCHANT, input=good | {"externalReference": ""}) == "INVALID_COMPANY"
    assert await desk.code(CREATE, NOBODY, input=good) == "FORBIDDEN"
    await desk.data(CREATE, MERCHANT, input=good)
    assert await desk.code(CREATE, MERCHANT, input=good | {"vatNumber": "fi-1234 5678"}) == "COMPANY_TAKEN"
