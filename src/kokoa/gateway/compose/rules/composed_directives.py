"""DIRECTIVE_COMPOSITION_ERROR: @composeDirective keeps a directive that the subgraph links to, at one version."""

import re
from collections.abc import Iterator

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.subgraphs import Subgraphs
from kokoa.gateway.supergraph import SubgraphView
from kokoa.graphql.links import DIRECTIVES

_VERSION = re.compile(r"^(.*)/v(\d+)\.(\d+)/?$")


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    majors: dict[str, dict[str, str]] = {}
    for view in subgraphs.views:
        for text in view.composes:
            wrong = _wrong(view, text)
            if wrong:
                message = f'[{view.name}] @composeDirective(name: "{text}") {wrong}'
                yield Problem("DIRECTIVE_COMPOSITION_ERROR", message, (view.name,))
                continue
            match = _VERSION.match(view.links.foreign[text.removeprefix("@")])
            if match:
                majors.setdefault(match[1], {})[view.name] = f"v{match[2]}" + (
                    f".{match[3]}" if match[2] == "0" else ""
                )
    for url, by_view in majors.items():
        if len(set(by_view.values())) > 1:
            found = ", ".join(f"{version} in {view}" for view, version in by_view.items())
            message = (
                f"{url} is linked at versions that do not fit together: {found}. Link to one of them everywhere."
            )
            yield Problem("DIRECTIVE_COMPOSITION_ERROR", message, tuple(by_view))


def _wrong(view: SubgraphView, text: str) -> str:
    name = text.removeprefix("@")
    if not text.startswith("@"):
        return f'needs the @ of the directive: "@{text}".'
    if view.links.directives.get(name) or name in DIRECTIVES:
        return "names a directive of federation, which composition treats as it must. Remove it."
    if view.schema.get_directive(name) is None:
        return f"names a directive that this subgraph does not define. Add `directive {text} … on …`."
    if name not in view.links.foreign:
        return (
            "names a directive that belongs to no linked specification. Add "
            f'@link(url: "https://<your domain>/{name}/v1.0", import: ["{text}"]) to the schema.'
        )
    return ""
