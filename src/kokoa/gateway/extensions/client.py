"""An extension's client for the gateway, with everything that it needs around it.

supergraph = compose([*core, SubgraphDefinition(extension.name, extension.sdl)])
client = extension_client(extension, supergraph, core_clients, parts)
gateway.build(supergraph, {extension.name: client})
"""

from collections.abc import Mapping

import aiohttp
import msgspec

from kokoa.gateway.execute.clients import SubgraphClient
from kokoa.gateway.extension import Extension
from kokoa.gateway.extensions.answers import AnswerCheck
from kokoa.gateway.extensions.fields import FieldCaller, field_functions
from kokoa.gateway.extensions.gate import Gate
from kokoa.gateway.extensions.invoking import FunctionInvoker, HttpEvents
from kokoa.gateway.extensions.overriding import ExtensionClient
from kokoa.gateway.extensions.servers import Allowed, FieldsTarget, FunctionTarget, Target, UrlTarget
from kokoa.gateway.extensions.works import Reader
from kokoa.gateway.supergraph import Supergraph
from kokoa.kernel.overrides import OverrideReports


class ExtensionParts(msgspec.Struct, frozen=True):
    """What extensions of one environment share.

    session: keeps no cookies and follows no proxy; kept open.  allowed: whether extensions may connect to an address.
    environment: what functions are told of it, such as `boeing/prod`; may be empty.
    """

    invoker: FunctionInvoker
    events: HttpEvents
    session: aiohttp.ClientSession
    allowed: Allowed
    reports: OverrideReports
    environment: str = ""


def extension_client(
    extension: Extension,
    supergraph: Supergraph,
    natives: Mapping[str, SubgraphClient],
    parts: ExtensionParts,
    *,
    gate: Gate | None = None,
) -> ExtensionClient:
    """Asks one extension of a graph.

    supergraph: composed of the extension's SDL and all others'.  natives: clients of the subgraphs that it may
    override, by name; where one is missing, overrides of it have no fallback.  gate: instead of the usual one.
    Raises SchemaInvalid.
    """
    reader = Reader(supergraph, extension, frozenset(natives))
    overrides = [f"{type_name}.{field_name}" for type_name, field_name in reader.overrides]
    target = _target(extension, supergraph, parts, reader, gate or Gate(extension.name))
    check = None if target.checks else AnswerCheck(extension.name, extension.sdl, overrides)
    return ExtensionClient(extension, target, reader, natives, parts.reports, check)


def _target(
    extension: Extension, supergraph: Supergraph, parts: ExtensionParts, reader: Reader, gate: Gate
) -> Target:
    if extension.target == "url":
        return UrlTarget(extension, parts.session, parts.allowed, gate)
    if extension.target == "function":
        return FunctionTarget(extension, parts.invoker, parts.events, gate)
    patience_ms = {
        f"{type_name}.{field_name}": policy.deadline_ms
        for (type_name, field_name), (_, policy) in reader.overrides.items()
    }
    caller = FieldCaller(extension, parts.invoker, gate, parts.environment)
    view = supergraph.subgraphs[extension.name]
    return FieldsTarget(field_functions(view, extension.sdl, caller, patience_ms))


def fields_without_fallback(supergraph: Supergraph, extension: Extension) -> dict[str, str]:
    """Overrides whose policy wants the native answer, and that cannot have it: field → why. For publishing."""
    reader = Reader(supergraph, extension, frozenset(supergraph.subgraphs))
    found = {}
    for (type_name, field_name), (native, policy) in reader.overrides.items():
        if type_name in ("Query", "Mutation", "Subscription") or not (policy.fallback or policy.shadow):
            continue
        unknown = reader.unknown_keys(type_name, native)
        if unknown:
            found[f"{type_name}.{field_name}"] = (
                f"{native} has no @key(fields: {unknown[0]!r}) on {type_name}, so it cannot be asked instead. "
                "Use one of its keys."
            )
    return found
