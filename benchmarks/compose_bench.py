"""How long composing takes: a synthetic graph, cold, and again after one subgraph has changed.

python -m benchmarks.compose_bench [--types 300] [--subgraphs 30] [--rounds 5]

The floor of the same run is what cannot be avoided: parsing every SDL and building its schema with graphql-core.
"""

import time
from collections.abc import Callable, Iterator
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from graphql import build_ast_schema, parse

from kokoa.gateway.compose import compose, print_supergraph
from kokoa.gateway.compose.composer import read_one
from kokoa.gateway.supergraph import SubgraphDefinition

LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", '
    'import: ["@key", "@shareable", "@external", "@requires", "@provides", "@interfaceObject"])'
)

app = App(name="compose_bench", help="How long composing a synthetic graph takes.")


def _entity(number: int, types: int) -> str:
    return (
        f'type T{number} implements Node @key(fields: "id") {{ id: ID! name: String! size(unit: Unit = CM): Int '
        f"price: Money! next: T{(number + 1) % types} other(filter: Filter): [T{(number * 7 + 3) % types}!]! }}"
    )


def _parts(subgraph: int, subgraphs: int, types: int) -> Iterator[str]:
    """Each subgraph owns some entities, extends those of a neighbour, and points to others."""
    owned = [number for number in range(types) if number % subgraphs == subgraph]
    yield LINK
    yield "type Query { " + " ".join(f"t{one}(id: ID!): T{one} all{one}(filter: Filter): [T{one}!]!" for one in owned)
    yield "}"
    yield "interface Node { id: ID! } enum Unit { CM INCH } input Filter { text: String first: Int = 10 }"
    yield "type Money @shareable { amount: Int! currency: String! }"
    yield from (_entity(one, types) for one in owned)
    extended = {(one + 11) % types for one in owned} - set(owned)
    for one in sorted(extended):
        yield (
            f'type T{one} @key(fields: "id") {{ id: ID! size(unit: Unit = CM): Int @external label{subgraph}: String '
            f'weight{subgraph}: Int @requires(fields: "size") from{subgraph}: T{owned[0]} }}'
        )
    mentioned = {(one + 1) % types for one in owned} | {(one * 7 + 3) % types for one in owned}
    for one in sorted(mentioned - extended - set(owned)):
        yield f'type T{one} @key(fields: "id", resolvable: false) {{ id: ID! }}'


def synthetic_graph(types: int, subgraphs: int) -> list[SubgraphDefinition]:
    """Definitions with that many entity types, dealt out over that many subgraphs."""
    return [
        SubgraphDefinition(f"s{number}", "\n".join(_parts(number, subgraphs, types)), f"http://s{number}.example/")
        for number in range(subgraphs)
    ]


def _best_ms(rounds: int, work: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    found = []
    for _ in range(rounds):
        before()
        begin = time.perf_counter()
        work()
        found.append((time.perf_counter() - begin) * 1000)
    return min(found)


@app.default
def bench(
    *,
    types: Annotated[int, Parameter(help="Entity types.")] = 300,
    subgraphs: Annotated[int, Parameter(help="Subgraphs that they are dealt out over.")] = 30,
    rounds: Annotated[int, Parameter(help="How often each is measured; the best counts.")] = 5,
) -> None:
    """Compose a synthetic graph and print what it costs.

    For example: python -m benchmarks.compose_bench --types 300 --subgraphs 30
    """
    graph = synthetic_graph(types, subgraphs)
    changed = [
        msgspec.structs.replace(graph[0], sdl=graph[0].sdl + "\nextend type Query { now: String }"),
        *graph[1:],
    ]
    floor_ms = _best_ms(rounds, lambda: [build_ast_schema(parse(one.sdl), assume_valid_sdl=True) for one in graph])
    cold_ms = _best_ms(rounds, lambda: compose(graph), read_one.cache_clear)
    supergraph = compose(graph)

    def forget_one() -> None:
        read_one.cache_clear()
        compose(graph)

    again_ms = _best_ms(rounds, lambda: compose(changed), forget_one)
    print_ms = _best_ms(rounds, lambda: print_supergraph(supergraph))
    size = f"{types} types, {subgraphs} subgraphs, {sum(len(one.sdl) for one in graph) // 1000} kB of SDL"
    print(f"{size}; best of {rounds}")
    for what, spent_ms in (
        ("floor: parse and build each schema", floor_ms),
        ("compose, cold", cold_ms),
        ("compose after one subgraph changed", again_ms),
        ("print the supergraph SDL", print_ms),
    ):
        print(f"{what:<36} {spent_ms:8.0f} ms  {spent_ms / floor_ms:5.2f} × floor")


if __name__ == "__main__":
    app()
