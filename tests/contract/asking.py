"""One environment of a service's subgraph, asked by a server of its tenant, a shopper, or one who is signed in."""

from typing import Any

from kokoa.graphql import Subgraph
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id, new_id

MANAGEMENT = Caller("server", "", frozenset({"storefront", "management"}))
STOREFRONT = Caller("storefront", "", frozenset({"storefront"}))


def signed_in(customer_id: str) -> Caller:
    """A shopper who is known."""
    return Caller("storefront", customer_id, frozenset({"storefront"}))


class Asking:
    """One environment."""

    def __init__(self, subgraph: Subgraph, environment_id: str = "") -> None:
        self.subgraph = subgraph
        self.environment_id = environment_id or new_id()

    def elsewhere(self) -> "Asking":
        """Another environment of the same service."""
        return Asking(self.subgraph)

    async def ask(self, document: str, by: Caller = MANAGEMENT, **variables: Any) -> Any:
        """The result, whatever it is."""
        call = Call(self.environment_id, by, new_correlation_id(), deadline_ms=now_ms() + 60_000)
        return await self.subgraph.execute(document, variables, call)

    async def data(self, document: str, by: Caller = MANAGEMENT, **variables: Any) -> Any:
        """The first field's value; nothing may fail."""
        result = await self.ask(document, by, **variables)
        assert not result.errors, result.errors
        return next(iter(result.data.values()))

    async def error(self, document: str, by: Caller = MANAGEMENT, **variables: Any) -> tuple[str, str]:
        """The code of the one error, and the field that it names."""
        result = await self.ask(document, by, **variables)
        assert len(result.errors) == 1, (result.errors, result.data)
        extensions = result.errors[0]["extensions"]
        return str(extensions["code"]), str(extensions.get("field", ""))

    async def code(self, document: str, by: Caller = MANAGEMENT, **variables: Any) -> str:
        """The code of the one error."""
        return (await self.error(document, by, **variables))[0]
