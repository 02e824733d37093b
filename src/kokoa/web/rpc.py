"""Calls between Kokoa's own processes: a Protocol becomes a server on one side and a proxy on the other.

POST /_kokoa/rpc/<seam>/<method> with MessagePack both ways; arguments and results are checked against the
Protocol's annotations by msgspec. Each request carries a signed call token of kind `service`; nothing else is let in.
In one process no seam goes through here: the implementation itself is passed.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, get_type_hints

import aiohttp
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from kokoa.kernel import errors
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import Forbidden, Invalid, KokoaError, NotFound, Unavailable
from kokoa.kernel.ids import new_correlation_id
from kokoa.kernel.transaction import refuse_in_transaction
from kokoa.web.tokens import CallTokens

PREFIX = "/_kokoa/rpc/"
TOKEN_HEADER = "X-Kokoa-Call"  # noqa: S105 (a header's name)

_TYPE = "application/msgpack"
_BODY_MAX = 32 * 1024 * 1024
_TTL_S = 60.0
_TIMEOUT_S = 35.0


class PeerUnavailable(Unavailable):
    """Another of Kokoa's processes does not answer."""


class RpcRefused(Forbidden):
    """Only Kokoa's own processes may call this."""


class RpcNotFound(NotFound):
    """There is no such seam or method."""


class RpcInvalid(Invalid):
    """The arguments do not fit the method."""


class _Failure(msgspec.Struct):
    kind: str
    name: str
    message: str


class _Method:
    """One method of a Protocol: how to encode its call and decode its answer."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        hints = get_type_hints(function)
        self.signature = inspect.signature(function)
        parameters = [p for p in self.signature.parameters.values() if p.name != "self"]
        fields: list[Any] = [
            (p.name, hints[p.name]) if p.default is p.empty else (p.name, hints[p.name], p.default)
            for p in parameters
        ]
        arguments = msgspec.defstruct(f"{name}_arguments", fields, kw_only=True)
        self._decode_arguments = msgspec.msgpack.Decoder(arguments).decode
        self.decode_result = msgspec.msgpack.Decoder(hints["return"]).decode

    def arguments(self, body: bytes) -> dict[str, Any]:
        """Raises RpcInvalid."""
        try:
            decoded = self._decode_arguments(body)
        except msgspec.DecodeError as error:
            raise RpcInvalid(f"{self.name}: {error}") from error
        return {name: getattr(decoded, name) for name in decoded.__struct_fields__}


def _methods(protocol: type) -> dict[str, _Method]:
    return {
        name: _Method(name, function)
        for name, function in inspect.getmembers(protocol, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }


class RpcServer:
    """seams: name → (Protocol, implementation)."""

    def __init__(self, tokens: CallTokens, seams: Mapping[str, tuple[type, object]]) -> None:
        self._tokens = tokens
        self._seams = {name: (_methods(protocol), target) for name, (protocol, target) in seams.items()}

    async def handle(self, request: Request) -> Response:
        """A Starlette endpoint for POST /_kokoa/rpc/{seam}/{method}."""
        try:
            self._authorise(request)
            result = await self._dispatch(request)
        except KokoaError as error:
            failure = _Failure(errors.kind_of(error).__name__, type(error).__name__, error.message)
            return Response(msgspec.msgpack.encode(failure), status_code=422, media_type=_TYPE)
        return Response(msgspec.msgpack.encode(result), media_type=_TYPE)

    def _authorise(self, request: Request) -> None:
        token = request.headers.get(TOKEN_HEADER, "")
        if not token:
            raise RpcRefused("This address is for Kokoa's own processes.")
        if self._tokens.verify(token).caller.kind != "service":
            raise RpcRefused("This address is for Kokoa's own processes.")

    async def _dispatch(self, request: Request) -> Any:
        seam, name = request.path_params["seam"], request.path_params["method"]
        methods, target = self._seams.get(seam, ({}, None))
        if name not in methods:
            raise RpcNotFound(f"There is no {seam}.{name} here.")
        if int(request.headers.get("content-length", "0")) > _BODY_MAX:
            raise RpcInvalid(f"A request has at most {_BODY_MAX} bytes.")
        method = methods[name]
        call: Callable[..., Awaitable[Any]] = getattr(target, name)
        return await call(**method.arguments(await request.body()))


class RpcClient:
    """Makes proxies for the seams of another process."""

    def __init__(self, session: aiohttp.ClientSession, tokens: CallTokens, base_url: str, *, caller: str) -> None:
        self._session = session
        self._tokens = tokens
        self._base_url = base_url.rstrip("/")
        self._caller = Caller("service", caller)

    def proxy(self, seam: str, protocol: type[Any]) -> Any:
        """An object with the Protocol's methods, each of which asks the other process.

        The result is typed by whoever names it: mypy does not let a Protocol be passed as `type[T]`.

        Its methods raise what the implementation raises (of the same kind and code), and PeerUnavailable.
        """
        methods = {name: self._remote(seam, method) for name, method in _methods(protocol).items()}
        return type(f"Remote{protocol.__name__}", (), methods)()

    def _remote(self, seam: str, method: _Method) -> Callable[..., Awaitable[Any]]:
        url = f"{self._base_url}{PREFIX}{seam}/{method.name}"

        async def call(*positional: Any, **named: Any) -> Any:
            refuse_in_transaction(f"{seam}.{method.name}")
            bound = method.signature.bind(*positional, **named)
            bound.arguments.pop("self", None)
            return method.decode_result(await self._post(url, msgspec.msgpack.encode(bound.arguments)))

        return call

    async def _post(self, url: str, body: bytes) -> bytes:
        headers = {TOKEN_HEADER: self._token(), "Content-Type": _TYPE}
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        try:
            async with self._session.post(url, data=body, headers=headers, timeout=timeout) as response:
                answer = await response.read()
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise PeerUnavailable("A part of the store does not answer.", detail=f"{url}: {error!r}") from error
        if status == 422:
            raise _raised(msgspec.msgpack.decode(answer, type=_Failure))
        if status != 200:
            raise PeerUnavailable("A part of the store does not answer.", detail=f"{url}: status {status}")
        return answer

    def _token(self) -> str:
        deadline_ms = now_ms() + int(_TIMEOUT_S * 1000)
        call = Call("", self._caller, new_correlation_id(), deadline_ms)
        return self._tokens.sign(call, _TTL_S)


_CLASS_NAME = re.compile(r"^[A-Z][A-Za-z0-9]{0,80}$")


def _raised(failure: _Failure) -> KokoaError:
    """The error that the other side raised: same kind, same code, same message."""
    kinds = {kind.__name__: kind for kind in errors.KINDS}
    kind = kinds.get(failure.kind, Unavailable)
    own = getattr(errors, failure.name, None)
    if isinstance(own, type) and issubclass(own, kind):  # the kernel's, such as DeadlineExceeded, which callers catch
        return own(failure.message)
    if not _CLASS_NAME.match(failure.name):
        return kind(failure.message)
    same: type[KokoaError] = type(failure.name, (kind,), {"__doc__": "Raised by another process."})
    return same(failure.message)
