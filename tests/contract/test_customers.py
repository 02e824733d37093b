"""Accounts: registering, signing in and out, what is refused, and what an e-mail proves."""

import asyncio
from typing import Any

import pytest

from contract.customer_desk import ME, MERCHANT, NOBODY, PASSWORD, REFRESH, REGISTER, SIGN_IN, Desk, in_session
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.services.customers.service import CustomersService

OLDER = "UPDATE sessions SET rotated_at = now() - interval '1 minute' WHERE environment_id = $1"
RESET = """mutation($token: String!, $password: String!) { resetPassword(token: $token, password: $password) {
  customer { email emailVerified } tokens { accessToken } } }"""
CHANGE = """mutation($old: String!, $new: String!) { changePassword(oldPassword: $old, newPassword: $new) { id } }"""
UPDATE_ME = "mutation($input: UpdateMeInput!) { updateMe(input: $input) { email emailVerified firstName version } }"
UPDATE = "mutation($input: UpdateCustomerInput!) { updateCustomer(input: $input) { email disabled version } }"
CREATE = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id hasPassword version } }"
UPSERT = "mutation($input: UpsertCustomerInput!) { upsertCustomer(input: $input) { id email firstName version } }"
ADDRESS = """mutation($input: AddressInput!, $customerId: ID, $key: String) {
  addAddress(input: $input, customerId: $customerId, idempotencyKey: $key) { id line1 city country } }"""
SENT_COUNT = "SELECT count(*) FROM outbox WHERE environment_id = $1 AND event_type = $2"
VERIFY_AGAIN = "mutation { requestEmailVerification }"
HOME = {"line1": "Katu 1", "city": "Helsinki", "country": "FI"}


@pytest.fixture
def desk(customers: CustomersService, customers_database: Database) -> Desk:
    return Desk(customers, customers_database)


async def stands(desk: Desk, opened: Any) -> bool:
    return await desk.service.store.session_stands(desk.environment_id, in_session(opened).session)


async def test_registered_signed_in_out_and_in_again(desk: Desk) -> None:
    opened = await desk.register(" Ada@Example.com ", firstName="Ada")
    assert opened["customer"]["email"] == "ada@example.com"
    assert opened["customer"]["emailVerified"] is False
    ada = in_session(opened)
    assert (await desk.data(ME, ada))["firstName"] == "Ada"
    assert await desk.data(ME) is None
    assert await stands(desk, opened)
    assert await desk.data("mutation { signOut }", ada) is True
    assert not await stands(desk, opened)
    again = await desk.data(SIGN_IN, email="ADA@example.com", password=PASSWORD)
    assert again["customer"]["id"] == opened["customer"]["id"]
    assert await stands(desk, again)


async def test_an_address_belongs_to_one_customer_of_an_environment(desk: Desk, customers: CustomersService) -> None:
    await desk.register()
    assert await desk.code(REGISTER, input={"email": "ADA@example.com", "password": PASSWORD}) == "EMAIL_TAKEN"
    other = Desk(customers, desk.database)
    assert (await other.register())["customer"]["email"] == "ada@example.com"
    many = await asyncio.gather(
        *(desk.ask(REGISTER, NOBODY, input={"email": "b@x.io", "password": PASSWORD}) for _ in range(8))
    )
    assert sum(not one.errors for one in many) == 1


async def test_whoever_is_wrong_learns_nothing(desk: Desk, customers: CustomersService) -> None:
    await desk.register()
    wrong = await desk.ask(SIGN_IN, NOBODY, email="ada@example.com", password="not this one")
    unknown = await desk.ask(SIGN_IN, NOBODY, email="nobody@example.com", password=PASSWORD)
    assert wrong.errors[0]["message"] == unknown.errors[0]["message"]
    assert wrong.errors[0]["extensions"]["code"] == unknown.errors[0]["extensions"]["code"] == "SIGN_IN_FAILED"
    for email, password in (
        ("ada@example.com\x00", PASSWORD),
        ("ada@example.com", "\ud800"),
        ("", ""),
        ("a" * 999, "x"),
    ):
        assert await desk.code(SIGN_IN, email=email, password=password) == "SIGN_IN_FAILED"
    elsewhere = Desk(customers, desk.database)
    assert await elsewhere.code(SIGN_IN, email="ada@example.com", password=PASSWORD) == "SIGN_IN_FAILED"


async def test_guessing_takes_longer_each_time_even_for_the_right_one(desk: Desk) -> None:
    await desk.register()
    codes = [await desk.code(SIGN_IN, email="ada@example.com", password=f"guess number {n}") for n in range(6)]
    assert codes == [*["SIGN_IN_FAILED"] * 5, "TOO_MANY_SIGN_INS"]
    assert await desk.code(SIGN_IN, email="ada@example.com", password=PASSWORD) == "TOO_MANY_SIGN_INS"
    await desk.database.execute(
        desk.environment_id, "UPDATE customers SET failed_at = now() - interval '1 hour' WHERE environment_id = $1"
    )
    await desk.data(SIGN_IN, email="ada@example.com", password=PASSWORD)
    assert await desk.code(SIGN_IN, email="ada@example.com", password="wrong again") == "SIGN_IN_FAILED"


async def test_guesses_at_the_same_moment_are_counted_each(desk: Desk) -> None:
    await desk.register()
    guesses = (desk.code(SIGN_IN, email="ada@example.com", password=f"guess number {n}") for n in range(30))
    codes = await asyncio.gather(*guesses)
    assert sorted(set(codes)) == ["SIGN_IN_FAILED", "TOO_MANY_SIGN_INS"]
    assert codes.count("SIGN_IN_FAILED") == 5


async def test_nobody_floods_a_mailbox_by_asking(desk: Desk) -> None:
    opened = await desk.register()
    ask = 'mutation { requestPasswordReset(email: "ada@example.com") }'
    for event, asked in (("PasswordResetRequested", ask), ("EmailVerificationRequested", VERIFY_AGAIN)):
        for _ in range(5):
            assert await desk.data(asked, in_session(opened)) is True
        assert await desk.database.fetchval(desk.environment_id, SENT_COUNT, event) == 1


async def test_the_same_customer_from_an_erp_at_the_same_moment_is_one(desk: Desk) -> None:
    given = {"externalReference": "ERP-1", "email": "bob@example.com", "firstName": "Bob"}
    made = await asyncio.gather(*(desk.data(UPSERT, MERCHANT, input=given) for _ in range(12)))
    assert all(one == made[0] for one in made)
    other = given | {"externalReference": "ERP-2"}
    assert await desk.code(UPSERT, MERCHANT, input=other) == "EMAIL_TAKEN"


async def test_a_refresh_token_is_good_once_and_a_stolen_one_ends_the_session(desk: Desk) -> None:
    opened = await desk.register()
    first = opened["tokens"]["refreshToken"]
    second = (await desk.data(REFRESH, token=first))["refreshToken"]
    third = (await desk.data(REFRESH, token=second))["refreshToken"]
    assert await desk.code(REFRESH, token=first) == "SESSION_ENDED"
    assert await stands(desk, opened), "an older one proves nothing"
    lost = (await desk.data(REFRESH, token=second))["refreshToken"]  # the answer was lost on its way
    await desk.database.execute(desk.environment_id, OLDER)
    for token in (third, lost, second, "", "x", "\ud800"):
        assert await desk.code(REFRESH, token=token) == "SESSION_ENDED"
    assert not await stands(desk, opened), "whoever has the third one is not who got the answer"


async def test_a_replaced_refresh_token_that_comes_late_ends_the_session(desk: Desk) -> None:
    opened = await desk.register()
    first = opened["tokens"]["refreshToken"]
    second = (await desk.data(REFRESH, token=first))["refreshToken"]
    await desk.database.execute(desk.environment_id, OLDER)
    assert await desk.code(REFRESH, token=first) == "SESSION_ENDED"
    assert not await stands(desk, opened)
    assert await desk.code(REFRESH, token=second) == "SESSION_ENDED"
    assert (await desk.sent("SessionRevoked"))["reason"] == "REUSED"


async def test_who_reads_the_mail_verifies_the_address_once(desk: Desk) -> None:
    opened = await desk.register()
    sent = await desk.sent("EmailVerificationRequested")
    assert sent["email"] == "ada@example.com"
    verify = "mutation($token: String!) { verifyEmail(token: $token) { emailVerified } }"
    assert await desk.code(verify, token="x") == "PROOF_INVALID"
    assert (await desk.data(verify, token=sent["token"]))["emailVerified"] is True
    assert await desk.code(verify, token=sent["token"]) == "PROOF_INVALID"
    changed = {"version": 2, "email": "countess@example.com"}
    ada = in_session(opened)
    assert await desk.code(UPDATE_ME, ada, input=changed) == "SIGN_IN_FAILED", "it takes the password"
    after = await desk.data(UPDATE_ME, ada, input=changed | {"password": PASSWORD})
    assert after == {"email": "countess@example.com", "emailVerified": False, "firstName": "", "version": 3}
    assert await desk.data("mutation { requestEmailVerification }", ada) is True
    old = sent["token"]
    new = (await desk.sent("EmailVerificationRequested"))["token"]
    assert old != new
    assert (await desk.data(verify, token=new))["emailVerified"] is True


async def test_a_forgotten_password_is_chosen_anew_and_everybody_else_is_signed_out(desk: Desk) -> None:
    opened = await desk.register()
    ask = "mutation($email: String!) { requestPasswordReset(email: $email) }"
    assert await desk.data(ask, email="nobody@example.com") is True
    assert await desk.sent("PasswordResetRequested") is None
    assert await desk.data(ask, email="Ada@example.com") is True
    token = (await desk.sent("PasswordResetRequested"))["token"]
    assert await desk.code(RESET, token=token, password="short") == "INVALID_PASSWORD"
    assert await desk.code(RESET, token=token, password="ada@example.com") == "INVALID_PASSWORD"
    done = await desk.data(RESET, token=token, password="another good one")
    assert done["customer"] == {"email": "ada@example.com", "emailVerified": True}
    assert not await stands(desk, opened)
    assert await stands(desk, done)
    assert await desk.code(RESET, token=token, password="a third good one") == "PROOF_INVALID"
    assert await desk.code(SIGN_IN, email="ada@example.com", password=PASSWORD) == "SIGN_IN_FAILED"
    await desk.data(SIGN_IN, email="ada@example.com", password="another good one")


async def test_a_changed_password_ends_all_other_sessions(desk: Desk) -> None:
    opened = await desk.register()
    other = await desk.data(SIGN_IN, email="ada@example.com", password=PASSWORD)
    ada = in_session(opened)
    assert await desk.code(CHANGE, ada, old="wrong one here", new="another good one") == "SIGN_IN_FAILED"
    await desk.data(CHANGE, ada, old=PASSWORD, new="another good one")
    assert await stands(desk, opened)
    assert not await stands(desk, other)
    assert (
        await desk.code(CHANGE, in_session(other), old="another good one", new="a third good one") == "NOT_SIGNED_IN"
    )


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"email": "ada"}, "INVALID_CUSTOMER"),
        ({"email": "ada@localhost"}, "INVALID_CUSTOMER"),
        ({"email": "a" * 250 + "@x.io"}, "INVALID_CUSTOMER"),
        ({"password": "short"}, "INVALID_PASSWORD"),
        ({"password": "aaaaaaaaaaaa"}, "INVALID_PASSWORD"),
        ({"password": "Password1234"}, "INVALID_PASSWORD"),
        ({"password": "x" * 257}, "INVALID_PASSWORD"),
        ({"firstName": "x" * 201}, "INVALID_CUSTOMER"),
        ({"lastName": "\x00"}, "INVALID_CUSTOMER"),
        ({"phone": "call me"}, "INVALID_CUSTOMER"),
        ({"locale": "Finnish"}, "INVALID_CUSTOMER"),
        ({"companyName": "Engines"}, "INVALID_CUSTOMER"),
        ({"vatNumber": "FI12345678"}, "INVALID_CUSTOMER"),
        ({"companyName": "Engines", "vatNumber": "12345678"}, "INVALID_VAT_NUMBER"),
        ({"companyName": "Engines", "vatNumber": "FI1234567"}, "INVALID_VAT_NUMBER"),
    ],
)
async def test_bad_accounts_are_refused(desk: Desk, given: dict[str, Any], code: str) -> None:
    good = {"email": "ada@example.com", "password": PASSWORD}
    assert await desk.code(REGISTER, input=good | given) == code
    assert await desk.data("{ customers { id } }", MERCHANT) == []


async def test_company_name_and_vat_number_come_and_go_together(desk: Desk) -> None:
    opened = await desk.register(companyName="Engines", vatNumber="fi 1234.5678")
    assert opened["customer"]["vatNumber"] == "FI12345678"
    ada = in_session(opened)
    assert await desk.code(UPDATE_ME, ada, input={"version": 1, "companyName": None}) == "INVALID_CUSTOMER"
    await desk.data(UPDATE_ME, ada, input={"version": 1, "companyName": None, "vatNumber": None})
    assert (await desk.data(ME, ada))["vatNumber"] is None


async def test_a_merchant_makes_finds_changes_and_disables_customers(desk: Desk) -> None:
    given = {"email": "bob@example.com", "externalReference": "ERP-1", "idempotencyKey": "k"}
    made = await desk.data(CREATE, MERCHANT, input=given)
    assert await desk.data(CREATE, MERCHANT, input=given) == made
    assert made["hasPassword"] is False
    assert await desk.code(SIGN_IN, email="bob@example.com", password="") == "SIGN_IN_FAILED"
    find = """query($id: ID, $email: String, $ref: String) {
      customer(id: $id, email: $email, externalReference: $ref) { id } }"""
    for by in ({"id": made["id"]}, {"email": "BOB@example.com"}, {"ref": "ERP-1"}):
        assert await desk.data(find, MERCHANT, **by) == {"id": made["id"]}
    assert await desk.code(find, MERCHANT) == "INVALID_CUSTOMER"
    assert await desk.code(CREATE, MERCHANT, input={"email": "c@x.io", "externalReference": "ERP-1"}) == (
        "CUSTOMER_REFERENCE_TAKEN"
    )
    same = {"externalReference": "ERP-1", "email": "bob@example.com", "firstName": "Bob"}
    assert (await desk.data(UPSERT, MERCHANT, input=same))["version"] == 2
    assert (await desk.data(UPSERT, MERCHANT, input=same))["version"] == 2
    opened = await desk.register()
    ada = in_session(opened)
    disable = {"id": opened["customer"]["id"], "version": 1, "disabled": True}
    assert await desk.code(UPDATE, MERCHANT, input=disable | {"version": 9}) == "CUSTOMER_CHANGED"
    assert (await desk.data(UPDATE, MERCHANT, input=disable))["disabled"] is True
    assert not await stands(desk, opened)
    assert await desk.code(SIGN_IN, email="ada@example.com", password=PASSWORD) == "SIGN_IN_FAILED"
    assert await desk.code(REFRESH, token=opened["tokens"]["refreshToken"]) == "SESSION_ENDED"
    assert await desk.code(UPDATE, ada, input=disable | {"disabled": False}) == "FORBIDDEN"
    assert await desk.code(UPDATE, MERCHANT, input=disable | {"id": new_id()}) == "CUSTOMER_NOT_FOUND"
    assert (
        await desk.code(UPDATE, MERCHANT, input=disable | {"version": 2, "email": "bob@example.com"}) == "EMAIL_TAKEN"
    )


async def test_a_reader_of_changes_misses_nothing(desk: Desk) -> None:
    page = """query($since: String, $limit: Int! = 100) { customerChanges(since: $since, limit: $limit) {
      customers { email } cursor hasMore } }"""
    for name in "abc":
        await desk.register(f"{name}@example.com")
    first = await desk.data(page, MERCHANT, limit=2)
    assert ([one["email"][0] for one in first["customers"]], first["hasMore"]) == (["a", "b"], True)
    rest = await desk.data(page, MERCHANT, since=first["cursor"])
    assert ([one["email"][0] for one in rest["customers"]], rest["hasMore"]) == (["c"], False)
    assert (await desk.data(page, MERCHANT, since=rest["cursor"]))["customers"] == []
    for cursor in ("x", "1:2", "9" * 40):
        assert await desk.code(page, MERCHANT, since=cursor) == "INVALID_CUSTOMER_PAGE"


async def test_addresses_are_the_customers_own(desk: Desk) -> None:
    ada, bob = in_session(await desk.register()), in_session(await desk.register("bob@example.com"))
    home = await desk.data(ADDRESS, ada, input=HOME, key="k")
    assert await desk.data(ADDRESS, ada, input=HOME, key="k") == home
    change = """mutation($id: ID!, $input: AddressInput!, $c: ID) {
      updateAddress(id: $id, input: $input, customerId: $c) { city } }"""
    remove = "mutation($id: ID!) { removeAddress(id: $id) }"
    assert await desk.code(change, bob, id=home["id"], input=HOME) == "CUSTOMER_ADDRESS_NOT_FOUND"
    assert await desk.code(remove, bob, id=home["id"]) == "CUSTOMER_ADDRESS_NOT_FOUND"
    assert await desk.code(change, bob, id=home["id"], input=HOME, c=ada.caller.subject) == "INVALID_CUSTOMER"
    assert await desk.code(ADDRESS, NOBODY, input=HOME) == "FORBIDDEN"
    assert await desk.code(ADDRESS, MERCHANT, input=HOME) == "INVALID_CUSTOMER"
    await desk.data(ADDRESS, MERCHANT, input=HOME | {"city": "Turku"}, customerId=ada.caller.subject)
    assert (await desk.data(change, ada, id=home["id"], input=HOME | {"city": "Espoo"}))["city"] == "Espoo"
    mine = await desk.data("{ me { version addresses { city } } }", ada)
    assert mine == {"version": 4, "addresses": [{"city": "Espoo"}, {"city": "Turku"}]}
    assert await desk.data(remove, ada, id=home["id"]) == home["id"]
    for bad in ({"country": "Finland"}, {"city": " "}, {"line1": "x" * 201}, {"phone": "none"}):
        assert await desk.code(ADDRESS, ada, input=HOME | bad) == "INVALID_ADDRESS"


async def test_groups_have_members_and_stay_while_they_have(desk: Desk) -> None:
    put = 'mutation($key: String!) { putCustomerGroup(key: $key, name: "Friends") { key name } }'
    join = (
        "mutation($id: ID!, $keys: [String!]!) { setCustomerGroups(customerId: $id, keys: $keys) { groups { key } } }"
    )
    delete = 'mutation { deleteCustomerGroup(key: "friends") }'
    await desk.data(put, MERCHANT, key="friends")
    ada = in_session(await desk.register())
    assert (await desk.data(join, MERCHANT, id=ada.caller.subject, keys=["friends", "friends"]))["groups"] == [
        {"key": "friends"}
    ]
    assert await desk.code(join, ada, id=ada.caller.subject, keys=[]) == "FORBIDDEN"
    assert await desk.code(join, MERCHANT, id=ada.caller.subject, keys=["foes"]) == "GROUP_NOT_FOUND"
    assert await desk.code(put, MERCHANT, key="Not good") == "INVALID_GROUP"
    found = await desk.data('{ customers(group: "friends") { email } }', MERCHANT)
    assert found == [{"email": "ada@example.com"}]
    assert await desk.code(delete, MERCHANT) == "GROUP_IN_USE"
    await desk.data(join, MERCHANT, id=ada.caller.subject, keys=[])
    assert await desk.data(delete, MERCHANT) == "friends"
    assert await desk.code(delete, MERCHANT) == "GROUP_NOT_FOUND"


@pytest.mark.parametrize(
    "document",
    [
        "{ customers { id } }",
        '{ customer(email: "ada@example.com") { id } }',
        "{ customerChanges { cursor } }",
        "{ companies { id } }",
        'mutation { createCustomer(input: {email: "x@y.io"}) { id } }',
        "mutation { signOutEverywhere }",
    ],
)
async def test_nobody_may_not(desk: Desk, document: str) -> None:
    assert await desk.code(document) == "FORBIDDEN"


async def test_customers_see_themselves_only_by_reference(desk: Desk) -> None:
    ada, bob = in_session(await desk.register()), in_session(await desk.register("bob@example.com"))
    entities = "query($all: [_Any!]!) { _entities(representations: $all) { ... on Customer { email } } }"
    both = [{"__typename": "Customer", "id": who.caller.subject} for who in (ada, bob)]
    assert await desk.data(entities, ada, all=both) == [{"email": "ada@example.com"}, None]
    assert await desk.data(entities, NOBODY, all=both) == [None, None]
    assert [one["email"] for one in await desk.data(entities, MERCHANT, all=both)] == [
        "ada@example.com",
        "bob@example.com",
    ]


async def test_another_environments_session_is_none_here(desk: Desk, customers: CustomersService) -> None:
    opened = await desk.register()
    other = Desk(customers, desk.database)
    assert not await customers.store.session_stands(other.environment_id, in_session(opened).session)
    assert await other.code(REFRESH, token=opened["tokens"]["refreshToken"]) == "SESSION_ENDED"
    assert await other.data(ME, in_session(opened)) is None
