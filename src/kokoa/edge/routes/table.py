"""The route table of an environment: native routes, extensions' routes at `/ext/<api>/…`, and at the root of the
shared domain those that the owner has granted. Immutable; a change makes a new table.
"""

from collections.abc import Iterable, Sequence

import msgspec

from kokoa.edge.errors import InvalidRouteKey
from kokoa.edge.model import ExtensionRoute, Grant, NativeRoute, RouteTableInput
from kokoa.edge.routes.grants import Grants
from kokoa.edge.routes.keys import RouteKey, parse_route_key
from kokoa.edge.routes.matcher import Matched, Matcher

EXTENSION_PREFIX = "ext"
Route = NativeRoute | ExtensionRoute


class Overridden(msgspec.Struct, frozen=True):
    """The native route in whose place an extension's answers.  key: the native route's own."""

    route: NativeRoute
    key: RouteKey


class Match(msgspec.Struct, frozen=True):
    """path: what the function shall see: the path without `/ext/<api>`.  key: the route's own.

    at_root: it was not asked for below `/ext/`.  overridden: what would answer if the extension's route did not.
    """

    route: Route
    key: RouteKey
    parameters: dict[str, str]
    path: str
    at_root: bool = True
    overridden: Overridden | None = None

    @property
    def subject(self) -> str:
        """How policies name the route: as Kokoa writes it, and if it is not Kokoa's, as its partner does."""
        return self.overridden.key.text if self.overridden is not None else self.key.text

    def native(self) -> "Match":
        """The match of the overridden route, whose variables may have other names."""
        assert self.overridden is not None
        key = self.overridden.key
        names = [segment.text for segment in key.segments if segment.kind != "literal"]
        # The two have one shape, so the values come in the same order.
        parameters = dict(zip(names, self.parameters.values(), strict=True))
        return Match(self.overridden.route, key, parameters, self.path)


class RouteRow(msgspec.Struct, frozen=True):
    """One line of `kokoa routes list`.

    served_by: `kokoa`, or partner and API.  extension_path: where an extension's route always answers.
    overridden_by: who answers in its place at the root.  note: why an extension's route is not at the root.
    """

    method: str
    path: str
    kind: str
    served_by: str
    at_root: bool
    extension_path: str = ""
    overrides: str = ""
    overridden_by: str = ""
    note: str = ""


class RouteTable:
    """Built by `build`; answers `match` in microseconds."""

    def __init__(
        self,
        root: Matcher[Route],
        extensions: dict[str, Matcher[ExtensionRoute]],
        rows: Sequence[RouteRow],
        natives: "dict[tuple[str, str], Overridden]",
        overridden: "dict[tuple[str, str], Overridden]",
    ) -> None:
        self._root = root
        self._extensions = extensions
        self._rows = tuple(rows)
        self._natives = natives
        self._overridden = overridden

    @classmethod
    def build(
        cls, native: Iterable[NativeRoute], extension: Iterable[ExtensionRoute], grants: Iterable[Grant]
    ) -> "RouteTable":
        """Extensions' routes go first where they may, in the order (created_ms, api_id): the first claim holds.

        A route key that is not valid, which control should have refused, is left out and says so in its row.
        """
        return _Builder(Grants(grants)).build(native, extension)

    @classmethod
    def of(cls, native: Iterable[NativeRoute], source: RouteTableInput) -> "RouteTable":
        """The table of what a route source has loaded."""
        return cls.build(native, source.extension_routes, source.grants)

    def match(self, method: str, segments: tuple[str, ...]) -> Match | None:
        """Who answers. HEAD falls back to GET's route, as HTTP wants it (RFC 9110 §9.3.2)."""
        found = self._find(method, segments)
        if found is None and method == "HEAD":
            found = self._find("GET", segments)
        return found

    def allowed(self, segments: tuple[str, ...]) -> tuple[str, ...]:
        """The methods that the path exists for, for the Allow header; empty when it does not exist."""
        matcher, rest = self._matcher_of(segments)
        methods = set(matcher.methods(rest)) if matcher is not None else set()
        if "GET" in methods:
            methods.add("HEAD")
        return tuple(sorted(methods))

    def native_like(self, key: RouteKey) -> RouteKey | None:
        """The key of the native route of this method and shape, however its variables are called."""
        found = self._natives.get((key.method, key.shape))
        return found.key if found is not None else None

    def describe(self) -> list[RouteRow]:
        """Every route, by path and method, with who answers it and why."""
        return sorted(self._rows, key=lambda row: (row.path, row.method, row.kind, row.served_by))

    def _find(self, method: str, segments: tuple[str, ...]) -> Match | None:
        matcher, rest = self._matcher_of(segments)
        found: Matched[Route] | Matched[ExtensionRoute] | None
        found = matcher.match(method, rest) if matcher is not None else None
        if found is None:
            return None
        path = "/" + "/".join(rest)
        if isinstance(found.value, NativeRoute):
            return Match(found.value, found.key, found.parameters, path)
        at_root = segments[0] != EXTENSION_PREFIX
        overridden = self._overridden.get((found.value.api_id, found.key.text)) if at_root else None
        return Match(found.value, found.key, found.parameters, path, at_root, overridden)

    def _matcher_of(
        self, segments: tuple[str, ...]
    ) -> tuple[Matcher[Route] | Matcher[ExtensionRoute] | None, tuple[str, ...]]:
        if segments[0] != EXTENSION_PREFIX:
            return self._root, segments
        api = segments[1] if len(segments) > 1 else ""
        return self._extensions.get(api), segments[2:] or ("",)


class _Builder:
    """Holds what grows while a table is built."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants
        self._root: Matcher[Route] = Matcher()
        self._extensions: dict[str, Matcher[ExtensionRoute]] = {}
        self._rows: list[RouteRow] = []
        self._natives: dict[tuple[str, str], Overridden] = {}
        self._overridden: dict[tuple[str, str], Overridden] = {}

    def build(self, native: Iterable[NativeRoute], extension: Iterable[ExtensionRoute]) -> RouteTable:
        ordered = sorted(extension, key=lambda route: (route.created_ms, route.api_id, route.route_key))
        names = names_of_apis(ordered)
        for native_route in native:
            key = parse_route_key(f"{native_route.method} {native_route.path}")
            self._natives[key.method, key.shape] = Overridden(native_route, key)
        for route in ordered:
            self._place_extension(route, names)
        for one in self._natives.values():
            self._place_native(one.route, one.key)
        for name, api_id in names.items():
            if api_id in self._extensions:
                self._extensions.setdefault(name, self._extensions[api_id])
        return RouteTable(self._root, self._extensions, self._rows, self._natives, self._overridden)

    def _place_native(self, route: NativeRoute, key: RouteKey) -> None:
        holder = self._root.add(key, route)
        overridden_by = label_of(holder) if holder is not None else ""
        row = RouteRow(
            key.method, key.path, "native", "kokoa", at_root=not overridden_by, overridden_by=overridden_by
        )
        self._rows.append(row)

    def _place_extension(self, route: ExtensionRoute, names: dict[str, str]) -> None:
        try:
            key = parse_route_key(route.route_key)
        except InvalidRouteKey as error:
            self._rows.append(RouteRow("", route.route_key, "extension", label_of(route), False, note=error.message))
            return
        self._extensions.setdefault(route.api_id, Matcher()).add(key, route)
        by_name = names.get(route.api_name) == route.api_id
        prefix = f"/{EXTENSION_PREFIX}/{route.api_name if by_name else route.api_id}"
        refusal = self._grants.why_not_at_root(route.account_id, key)
        holder = self._root.add(key, route) if not refusal else None
        at_root = not refusal and holder is None
        overridden = self._natives.get((key.method, key.shape)) if at_root else None
        if overridden is not None:
            self._overridden[route.api_id, key.text] = overridden
        shadowed = f"{label_of(holder)} holds this route: it was deployed first." if holder is not None else ""
        forbidden = "" if route.permitted else "The function does not permit apigateway.amazonaws.com to invoke it."
        self._rows.append(
            RouteRow(
                method=key.method,
                path=key.path,
                kind="extension",
                served_by=label_of(route),
                at_root=at_root,
                extension_path=prefix + ("/…" if key.is_default else key.path),
                overrides=overridden.key.text if overridden is not None else "",
                overridden_by=label_of(holder) if holder is not None else "",
                note=" ".join(part for part in (refusal, shadowed, forbidden) if part),
            )
        )


def label_of(route: Route) -> str:
    """Who serves a route, for people."""
    return "kokoa" if isinstance(route, NativeRoute) else f"{route.partner}/{route.api_name}"


def names_of_apis(routes: Iterable[ExtensionRoute]) -> dict[str, str]:
    """API name → API id, for those names that are usable in a path. The first API of a name keeps it:
    a later one of the same name, of another partner perhaps, must not be able to break the first one's address.
    """
    ordered = sorted(routes, key=lambda route: (route.created_ms, route.api_id))
    ids = {route.api_id for route in ordered}
    names: dict[str, str] = {}
    for route in ordered:
        name = route.api_name
        if name and name not in ids and name not in {".", ".."} and name.isprintable():
            names.setdefault(name, route.api_id)
    return names
