"""Extensions at `/ext/…` always, at the root only where granted; overrides, reserved paths, double claims."""

import pytest

from kokoa.edge.errors import InvalidRouteKey, RouteTaken
from kokoa.edge.model import ExtensionRoute, Grant, NativeRoute, RouteTableInput
from kokoa.edge.routes import RouteTable, place
from kokoa.web.http import split_path

ALICE, BOB = "111111111111", "222222222222"
NATIVE = [
    NativeRoute("GET", "/api/search", "Search"),
    NativeRoute("GET", "/api/products/{id}", "Product"),
]


def route(
    key: str,
    *,
    api: str = "search-plus",
    api_id: str = "a1b2c3d4e5",
    account: str = ALICE,
    created_ms: int = 1,
    permitted: bool = True,
) -> ExtensionRoute:
    partner = "alice" if account == ALICE else "bob"
    return ExtensionRoute(api_id, api, account, partner, key, "arn:fn", "fn", permitted, created_ms)


def who(table: RouteTable, method: str, path: str) -> str | None:
    found = table.match(method, split_path(path.encode()))
    if found is None:
        return None
    return found.route.operation if isinstance(found.route, NativeRoute) else found.route.api_id


GRANT = Grant(ALICE, "/api/*")


def test_without_extensions_native_routes_answer() -> None:
    table = RouteTable.build(NATIVE, [], [])
    assert who(table, "GET", "/api/search") == "Search"
    assert who(table, "HEAD", "/api/search") == "Search"
    assert who(table, "POST", "/api/search") is None
    assert table.allowed(("api", "search")) == ("GET", "HEAD")


def test_without_a_grant_an_extension_is_at_ext_only() -> None:
    table = RouteTable.build(NATIVE, [route("GET /api/search")], [])
    assert who(table, "GET", "/api/search") == "Search"
    assert who(table, "GET", "/ext/search-plus/api/search") == "a1b2c3d4e5"
    assert who(table, "GET", "/ext/a1b2c3d4e5/api/search") == "a1b2c3d4e5"
    assert who(table, "GET", "/ext/other/api/search") is None


def test_the_function_sees_the_path_without_its_prefix() -> None:
    table = RouteTable.build([], [route("GET /api/{x}")], [])
    found = table.match("GET", ("ext", "search-plus", "api", "é"))
    assert found
    assert (found.path, found.parameters) == ("/api/é", {"x": "é"})


def test_with_a_grant_the_exact_route_overrides() -> None:
    table = RouteTable.build(NATIVE, [route("GET /api/search"), route("GET /api/products/{key}")], [GRANT])
    assert who(table, "GET", "/api/search") == "a1b2c3d4e5"
    assert who(table, "GET", "/api/products/7") == "a1b2c3d4e5"
    rows = {(row.kind, row.path): row for row in table.describe()}
    assert rows["native", "/api/search"].overridden_by == "alice/search-plus"
    assert rows["extension", "/api/search"].overrides == "GET /api/search"
    assert rows["extension", "/api/search"].extension_path == "/ext/search-plus/api/search"


def test_any_and_greedy_do_not_take_a_native_route() -> None:
    table = RouteTable.build(NATIVE, [route("ANY /api/search"), route("ANY /api/{all+}")], [GRANT])
    assert who(table, "GET", "/api/search") == "Search"
    assert who(table, "POST", "/api/search") == "a1b2c3d4e5"
    assert who(table, "GET", "/api/more/things") == "a1b2c3d4e5"


@pytest.mark.parametrize("key", ["$default", "ANY /{proxy+}", "GET /", "GET /{all+}"])
def test_a_catch_all_needs_its_very_own_grant(key: str) -> None:
    path = "/" if key == "GET /" else "/anything"
    assert who(RouteTable.build(NATIVE, [route(key)], [Grant(ALICE, "/*")]), "GET", path) is None
    exact = Grant(ALICE, "/" if key == "GET /" else "/{proxy+}")
    table = RouteTable.build(NATIVE, [route(key)], [exact])
    assert who(table, "GET", path) == "a1b2c3d4e5"
    assert who(table, "GET", "/api/search") == "Search"


def test_a_grant_is_for_its_account_only() -> None:
    table = RouteTable.build(NATIVE, [route("GET /api/search", account=BOB)], [GRANT])
    assert who(table, "GET", "/api/search") == "Search"
    (row,) = [row for row in table.describe() if row.kind == "extension"]
    assert not row.at_root
    assert "Not granted" in row.note
    assert "/api/*" in row.note


@pytest.mark.parametrize(
    ("pattern", "key", "covered"),
    [
        ("/api/*", "GET /api/a/b", True),
        ("/api/*", "GET /api/{x}", True),
        ("/api/*", "GET /api", False),
        ("/api/*", "GET /apis/x", False),
        ("/api/*", "GET /{x}/search", False),
        ("/api/search", "GET /api/search", True),
        ("/api/search", "GET /api/search/x", False),
        ("/api/{id}", "GET /api/{other}", True),
        ("/api/{id}", "GET /api/search", False),
        ("/*", "GET /anything/at/all", True),
        ("/*", "GET /{page}", True),
        ("nonsense", "GET /nonsense", False),
    ],
)
def test_what_a_pattern_covers(pattern: str, key: str, covered: bool) -> None:
    (row,) = RouteTable.build([], [route(key)], [Grant(ALICE, pattern)]).describe()
    assert row.at_root is covered


@pytest.mark.parametrize("name", ["graphql", "git", "login", "healthz", "metrics", "console", "ext", "_kokoa"])
def test_reserved_paths_are_never_given(name: str) -> None:
    (row,) = RouteTable.build([], [route(f"ANY /{name}")], [Grant(ALICE, f"/{name}"), Grant(ALICE, "/*")]).describe()
    assert not row.at_root
    assert "reserved" in row.note


def test_the_first_claim_holds_and_the_second_is_told() -> None:
    first = route("GET /api/x", api="one", api_id="z", created_ms=1)
    second = route("GET /api/x", api="two", api_id="a", account=BOB, created_ms=2)
    table = RouteTable.build([], [second, first], [GRANT, Grant(BOB, "/api/*")])
    assert who(table, "GET", "/api/x") == "z"
    (row,) = [row for row in table.describe() if row.served_by == "bob/two"]
    assert row.overridden_by == "alice/one"
    assert who(table, "GET", "/ext/two/api/x") == "a"


def test_a_later_api_cannot_take_anothers_name_or_id() -> None:
    first = route("GET /x", api="shop", api_id="id-first", created_ms=1)
    squatter = route("GET /x", api="shop", api_id="id-second", account=BOB, created_ms=2)
    impostor = route("GET /x", api="id-first", api_id="id-third", account=BOB, created_ms=0)
    table = RouteTable.build([], [squatter, first, impostor], [])
    assert who(table, "GET", "/ext/shop/x") == "id-first"
    assert who(table, "GET", "/ext/id-first/x") == "id-first"
    assert who(table, "GET", "/ext/id-second/x") == "id-second"


def test_a_broken_route_key_harms_nobody_else() -> None:
    table = RouteTable.build(NATIVE, [route("GET nonsense"), route("GET /ok")], [])
    assert who(table, "GET", "/ext/search-plus/ok") == "a1b2c3d4e5"
    assert any(row.path == "GET nonsense" and row.note for row in table.describe())


def test_a_route_without_permission_says_so() -> None:
    (row,) = RouteTable.build([], [route("GET /api/x", permitted=False)], [GRANT]).describe()
    assert row.at_root
    assert "permit" in row.note


def test_place_tells_where_an_api_will_answer() -> None:
    source = RouteTableInput(grants=(GRANT,))
    placement = place(
        source,
        account_id=ALICE,
        api_id="new",
        api_name="search-plus",
        route_keys=["GET /api/search", "GET /other"],
        base_url="http://shop.test:8080",
    )
    assert placement.endpoint == "http://shop.test:8080/ext/search-plus"
    assert placement.root_paths == ("/api/search",)
    assert "GET /other: Not granted" in placement.note


def test_place_refuses_a_route_that_is_held_and_names_the_holder() -> None:
    source = RouteTableInput((route("GET /api/{a}"),), (GRANT, Grant(BOB, "/api/*")))
    with pytest.raises(RouteTaken, match=r"alice/search-plus \(API a1b2c3d4e5\)"):
        place(source, account_id=BOB, api_id="n", api_name="x", route_keys=["GET /api/{b}"], base_url="")
    with pytest.raises(InvalidRouteKey):
        place(source, account_id=BOB, api_id="n", api_name="x", route_keys=["nonsense"], base_url="")


def test_place_falls_back_to_the_id_when_the_name_is_taken() -> None:
    source = RouteTableInput((route("GET /a"),))
    taken = place(source, account_id=BOB, api_id="n1", api_name="search-plus", route_keys=["GET /a"], base_url="")
    odd = place(source, account_id=BOB, api_id="n2", api_name="a/b c", route_keys=["GET /a"], base_url="")
    assert (taken.endpoint, odd.endpoint) == ("/ext/n1", "/ext/a%2Fb%20c")


def test_placing_an_api_again_does_not_collide_with_itself() -> None:
    source = RouteTableInput((route("GET /api/x"),), (GRANT,))
    again = place(
        source, account_id=ALICE, api_id="a1b2c3d4e5", api_name="search-plus", route_keys=["GET /api/x"], base_url=""
    )
    assert again.root_paths == ("/api/x",)
