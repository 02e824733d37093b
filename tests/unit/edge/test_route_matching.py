"""Routes match as API Gateway v2's do: its documented examples, and a naive matcher on random routes."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokoa.edge.errors import InvalidRouteKey
from kokoa.edge.routes.keys import RouteKey, parse_route_key
from kokoa.edge.routes.matcher import Matcher
from kokoa.web.http import split_path


def matcher_of(*keys: str) -> Matcher[str]:
    matcher: Matcher[str] = Matcher()
    for key in keys:
        matcher.add(parse_route_key(key), key)
    return matcher


def matched(matcher: Matcher[str], method: str, path: str) -> str | None:
    found = matcher.match(method, split_path(path.encode()))
    return found.value if found else None


AWS = matcher_of("GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default")


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [  # the table of "Routing API requests" in the developer guide
        ("GET", "/pets/dog/1", "GET /pets/dog/1"),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}"),
        ("POST", "/test/5", "ANY /{proxy+}"),
        ("POST", "/pets/dog/1", "ANY /{proxy+}"),
        ("GET", "/", "$default"),
    ],
)
def test_the_guides_example(method: str, path: str, route: str) -> None:
    assert matched(AWS, method, path) == route


@pytest.mark.parametrize(
    ("path", "route"),
    [("/pets", "GET /pets"), ("/pets/", None), ("/Pets", None), ("/pets/x", "GET /pets/{id}"), ("/pets//", None)],
)
def test_case_and_trailing_slash_count(path: str, route: str | None) -> None:
    assert matched(matcher_of("GET /pets", "GET /pets/{id}"), "GET", path) == route


def test_exact_method_before_any() -> None:
    matcher = matcher_of("ANY /a", "GET /a")
    assert [matched(matcher, method, "/a") for method in ("GET", "POST")] == ["GET /a", "ANY /a"]


def test_the_search_goes_on_where_a_literal_leads_nowhere() -> None:
    matcher = matcher_of("GET /a/b/c", "GET /{x}/b/d", "POST /a/{y}/c")
    assert matched(matcher, "GET", "/a/b/d") == "GET /{x}/b/d"
    assert matched(matcher, "POST", "/a/b/c") == "POST /a/{y}/c"


def test_the_longest_greedy_prefix_wins() -> None:
    matcher = matcher_of("ANY /{a+}", "ANY /x/{b+}", "GET /x/{c}/y/{d+}")
    assert matched(matcher, "GET", "/x/1/y/2/3") == "GET /x/{c}/y/{d+}"
    assert matched(matcher, "POST", "/x/1/y/2/3") == "ANY /x/{b+}"


def test_parameters_are_decoded_and_an_encoded_slash_stays_inside() -> None:
    matcher = matcher_of("GET /files/{name}", "GET /deep/{path+}")
    found = matcher.match("GET", split_path(b"/files/a%2Fb%20c"))
    assert found
    assert found.parameters == {"name": "a/b c"}
    found = matcher.match("GET", split_path(b"/deep/x/y%2Fz"))
    assert found
    assert found.parameters == {"path": "x/y/z"}


def test_greedy_matches_at_least_one_segment() -> None:
    assert matched(matcher_of("GET /a/{p+}"), "GET", "/a") is None
    assert matched(matcher_of("GET /a/{p+}"), "GET", "/a/") is None


def test_the_same_route_twice_keeps_the_first() -> None:
    matcher = matcher_of("GET /a/{id}")
    assert matcher.add(parse_route_key("GET /a/{other}"), "second") == "GET /a/{id}"
    assert matched(matcher, "GET", "/a/1") == "GET /a/{id}"


@pytest.mark.parametrize(
    "key",
    [
        "", "GET", "get /a", "GET  /a", "GET a", "GET /a/", "GET /{a+}/b", "GET /{}", "GET /a{b}", "FETCH /a",
        "GET /{a}/{a}", "GET /..", "GET /a/./b", "GET //a", "GET /a b", "GET /a?b", "GET /%41", "$other", "GET /a\n",
        "GET /" + "a/" * 40 + "a", "GET /" + "a" * 600,
    ],
)  # fmt: skip
def test_invalid_route_keys_are_refused(key: str) -> None:
    with pytest.raises(InvalidRouteKey):
        parse_route_key(key)


_SEGMENTS = st.sampled_from(["a", "b", "c", "{x}", "{y}", "{z}"])


@st.composite
def route_keys(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 12)) == 0:
        return "$default"
    segments = draw(st.lists(_SEGMENTS, max_size=4, unique_by=lambda s: s if s.startswith("{") else object()))
    if draw(st.booleans()):
        segments.append("{rest+}")
    return f"{draw(st.sampled_from(['GET', 'POST', 'ANY']))} /{'/'.join(segments)}"


def naive_match(keys: list[RouteKey], method: str, path: tuple[str, ...]) -> RouteKey | None:
    """Every candidate, ranked: full before greedy before default, then segment by segment, then the method."""

    def rank(key: RouteKey) -> tuple[object, ...] | None:
        if key.method not in {method, "ANY"}:
            return None
        exact = 0 if key.method == method else 1
        if key.is_default:
            return (2,)
        kinds: list[int] = []
        for position, segment in enumerate(key.segments):
            if segment.kind == "greedy":
                if not any(path[position:]):
                    return None
                return (1, -position, kinds, exact)
            if position >= len(path) or (segment.kind == "literal" and segment.text != path[position]):
                return None
            if segment.kind == "variable" and not path[position]:
                return None
            kinds.append(0 if segment.kind == "literal" else 1)
        return (0, kinds, exact) if len(path) == len(key.segments) else None

    ranked = [(rank(key), index, key) for index, key in enumerate(keys)]
    candidates = [(found, index, key) for found, index, key in ranked if found is not None]
    return min(candidates, key=lambda candidate: candidate[:2])[2] if candidates else None


@settings(max_examples=600)
@given(
    keys=st.lists(route_keys(), max_size=14),
    method=st.sampled_from(["GET", "POST", "PUT"]),
    path=st.lists(st.sampled_from(["a", "b", "c", "d", ""]), min_size=1, max_size=6).map(tuple),
)
def test_as_a_naive_matcher_would(keys: list[str], method: str, path: tuple[str, ...]) -> None:
    parsed = [parse_route_key(key) for key in keys]
    matcher: Matcher[RouteKey] = Matcher()
    for key in parsed:
        matcher.add(key, key)
    expected = naive_match(parsed, method, path)
    found = matcher.match(method, path)
    assert (found.value if found else None) == expected
    if expected is not None and not expected.is_default:
        assert expected.method in matcher.methods(path)


def test_hundreds_of_routes_match_in_microseconds() -> None:
    keys = [f"GET /api/v{number}/things/{{id}}/parts/{{part}}" for number in range(400)]
    matcher = matcher_of(*keys, "GET /{a}/{b}/{c}/{d}/{e}/{f}")
    path = ("api", "v399", "things", "1", "parts", "2")
    started = time.perf_counter()
    for _ in range(1000):
        assert matcher.match("GET", path)
    # Some 4 us on a quiet machine; the bound only tells constant from linear in the number of routes.
    assert (time.perf_counter() - started) / 1000 < 100e-6


def test_a_hostile_set_of_routes_cannot_explode() -> None:
    """All mixtures of literal and variable over eleven levels: 2048 routes, none of which has the method."""
    matcher: Matcher[int] = Matcher()
    for number in range(2**11):
        parts = [f"{{v{level}}}" if number >> level & 1 else "a" for level in range(11)]
        matcher.add(parse_route_key("POST /" + "/".join(parts)), number)
    started = time.perf_counter()
    assert matcher.match("GET", ("a",) * 11) is None
    assert time.perf_counter() - started < 0.5
