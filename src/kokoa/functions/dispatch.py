"""The dispatcher: from a call and a function's name to an invocation on a host (AWS Lambda Invoke, RequestResponse).

A warm invoke asks nobody but the host: the function is remembered for less than a second, and forgotten at once
where it changes; the credentials that its sandbox gets are remembered until half their life is over.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol
from uuid import uuid4

from kokoa.functions.control.access import AccountDirectory
from kokoa.functions.control.credentials import IssuedCredentials, Sessions
from kokoa.functions.control.errors import FunctionNotFound
from kokoa.functions.control.fresh import Fresh
from kokoa.functions.control.model import Function
from kokoa.functions.control.names import LATEST, FunctionRef, function_arn
from kokoa.functions.control.store import FunctionStore
from kokoa.functions.host.model import Credentials, FunctionSpec, Invocation, InvokeRequest
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import Clock, now_ms
from kokoa.kernel.transaction import refuse_in_transaction

QUEUE_MS: Final = 10_000
"""How long an invocation may wait for a sandbox before its own time begins."""
CREDENTIALS_KEPT_MAX: Final = 4096

_ACCOUNT_SCOPES: Final = frozenset({"storefront", "management"})
"""What a function may ask of its own store: as much as the partner's servers with the tenant's secrets."""

Sign = Callable[[Call, float], str]
"""(call, seconds) → a token that proves the call for so long."""

_Key = tuple[str, str, str]


class Host(Protocol):
    """Runs functions."""

    async def invoke(self, request: InvokeRequest) -> Invocation:
        """Run one invocation. Raises TooManyRequests, HostUnavailable, FunctionCodeUnavailable."""


class Dispatcher:
    """sign: makes the token that what the function asks of the store will carry.  region: in function ARNs."""

    def __init__(
        self,
        *,
        functions: FunctionStore,
        accounts: AccountDirectory,
        sessions: Sessions,
        host: Host,
        sign: Sign,
        region: str = "us-east-1",
        clock: Clock = now_ms,
    ) -> None:
        self._functions = functions
        self._accounts = accounts
        self._sessions = sessions
        self._host = host
        self._sign = sign
        self._region = region
        self._clock = clock
        self._specs: Fresh[_Key, FunctionSpec] = Fresh(self._load)
        self._issued: OrderedDict[tuple[str, str], IssuedCredentials] = OrderedDict()

    async def invoke(
        self,
        call: Call,
        function: FunctionRef,
        payload: bytes,
        *,
        log_tail: bool = False,
        client_context: str = "",
        request_id: str = "",
    ) -> Invocation:
        """Run one invocation and wait for it.

        payload: JSON, at most 6 MiB.  client_context: JSON text.  request_id: empty for a fresh one.
        Raises FunctionNotFound, DepthExceeded, DeadlineExceeded, TooManyRequests, HostUnavailable,
        FunctionCodeUnavailable. A function's own failure is not raised: it is in `Invocation.function_error`.
        """
        refuse_in_transaction("function invoke")
        spec = await self._specs.get((call.environment_id, function.account_id, function.name))
        # What the function asks of the store is asked by its account, one hop deeper, and not after its time.
        inner = call.enter(f"function {function.name}").until(self._clock() + spec.timeout_s * 1000 + QUEUE_MS)
        left_ms = inner.remaining_ms()
        token = self._sign(_as_account(inner, function.account_id), left_ms / 1000)
        return await self._host.invoke(
            InvokeRequest(
                request_id=request_id or str(uuid4()),
                function=spec,
                payload=payload,
                deadline_ms=inner.deadline_ms,
                correlation_id=call.correlation_id,
                depth=inner.depth - 1,
                token=token,
                credentials=await self._credentials(call.environment_id, function.account_id),
                client_context=client_context,
                log_tail=log_tail,
            )
        )

    def forget(self, environment_id: str, account_id: str, name: str) -> None:
        """The function changed: the next invoke reads it anew."""
        self._specs.forget((environment_id, account_id, name))

    async def _load(self, key: _Key) -> FunctionSpec:
        function = await self._functions.find(*key)
        return spec_of(function, self._region, egress=await self._accounts.egress(function.environment_id))

    async def _credentials(self, environment_id: str, account_id: str) -> Credentials:
        key = (environment_id, account_id)
        issued = self._issued.get(key)
        now = self._clock()
        if issued is None or now >= issued.renew_ms:
            account = await self._accounts.account(environment_id, account_id)
            if account is None:
                raise FunctionNotFound(f"There is no account {account_id} in this environment.")
            issued = self._sessions.issue(account, at_ms=now)
            self._issued[key] = issued
            if len(self._issued) > CREDENTIALS_KEPT_MAX:
                self._issued.popitem(last=False)
        return issued.credentials


def spec_of(function: Function, region: str, *, egress: tuple[str, ...] = ()) -> FunctionSpec:
    """What a host needs to know about a function.  egress: where its environment lets functions connect to."""
    settings = function.settings
    return FunctionSpec(
        environment_id=function.environment_id,
        account_id=function.account_id,
        name=function.name,
        arn=function_arn(region, function.account_id, function.name),
        runtime=settings.runtime,
        handler=settings.handler,
        memory_mb=settings.memory_mb,
        timeout_s=settings.timeout_s,
        environment=dict(settings.variables),
        code_sha256=function.code.sha256,
        code_size=function.code.size,
        revision_id=function.revision_id,
        version=LATEST,
        reserved_concurrency=-1 if function.reserved_concurrency is None else function.reserved_concurrency,
        egress=egress,
    )


def _as_account(call: Call, account_id: str) -> Call:
    return Call(
        environment_id=call.environment_id,
        caller=Caller("account", account_id, _ACCOUNT_SCOPES),
        correlation_id=call.correlation_id,
        deadline_ms=call.deadline_ms,
        depth=call.depth,
        path=call.path,
        session=call.session,
    )
