"""An environment's customers, asked by GraphQL: by nobody, by one who is signed in, or by the merchant."""

from typing import Any

import msgspec

from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.postgres import Database
from kokoa.services.customers.service import CustomersService

PASSWORD = "correct horse battery"
TOKENS = "tokens { accessToken refreshToken }"
CUSTOMER = "{ id email emailVerified firstName companyName vatNumber disabled hasPassword version }"
OPENED = f"{{ customer {CUSTOMER} {TOKENS} }}"
REGISTER = f"mutation($input: RegisterCustomerInput!) {{ registerCustomer(input: $input) {OPENED} }}"
SIGN_IN = f"mutation($email: String!, $password: String!) {{ signIn(email: $email, password: $password) {OPENED} }}"
REFRESH = "mutation($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken } }"
ME = f"{{ me {CUSTOMER} }}"

SENT = """SELECT payload FROM outbox WHERE environment_id = $1 AND event_type = $2 ORDER BY id DESC LIMIT 1"""


class Who(msgspec.Struct, frozen=True):
    """Somebody who asks: nobody, the merchant, or a customer in a session."""

    caller: Caller
    session: str = ""


NOBODY = Who(Caller("storefront", "", frozenset({"storefront"})))
MERCHANT = Who(Caller("server", "", frozenset({"storefront", "management"})))


def in_session(opened: Any) -> Who:
    """Who has what registering or signing in answered."""
    _, customer_id, session_id = opened["tokens"]["accessToken"].split("/")
    return Who(Caller("storefront", customer_id, frozenset({"storefront"})), session_id)


class Desk:
    """One environment."""

    def __init__(self, service: CustomersService, database: Database) -> None:
        self.service = service
        self.database = database
        self.environment_id = new_id()

    async def ask(self, document: str, who: Who, **variables: Any) -> Any:
        """The result, whatever it is."""
        deadline_ms = now_ms() + 60_000
        call = Call(self.environment_id, who.caller, new_correlation_id(), deadline_ms, session=who.session)
        return await self.service.subgraph.execute(document, variables, call)

    async def data(self, document: str, who: Who = NOBODY, **variables: Any) -> Any:
        """The first field's value; nothing may fail."""
        result = await self.ask(document, who, **variables)
        assert not result.errors, result.errors
        return next(iter(result.data.values()))

    async def code(self, document: str, who: Who = NOBODY, **variables: Any) -> str:
        """The code of the one error."""
        result = await self.ask(document, who, **variables)
        assert len(result.errors) == 1, (result.errors, result.data)
        return str(result.errors[0]["extensions"]["code"])

    async def register(self, email: str = "ada@example.com", **more: Any) -> Any:
        """A new account: customer and tokens."""
        return await self.data(REGISTER, input={"email": email, "password": PASSWORD, **more})

    async def sent(self, event_type: str) -> Any:
        """What the last event of a type says."""
        payload = await self.database.fetchval(self.environment_id, SENT, event_type)
        return None if payload is None else msgspec.json.decode(payload)["data"]
