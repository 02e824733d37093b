"""MERGED_DIRECTIVE_APPLICATION_ON_EXTERNAL: what is said of a field is said where the field is answered."""

from collections.abc import Iterator

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.read import directives_on
from kokoa.gateway.compose.subgraphs import Subgraphs

_MERGED = frozenset({"tag", "inaccessible", "authenticated", "requiresScopes", "policy", "cost", "listSize"})


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for (type_name, field_name), sources in subgraphs.fields.items():
        for one in sources:
            if not one.join.external or not one.view.links.is_federation_2 or one.holder != type_name:
                continue
            kept = _MERGED | {name.removeprefix("@") for name in one.view.composes}
            nodes = (one.field.ast_node, *(each.ast_node for each in one.field.args.values()))
            for directive in dict.fromkeys(each.name.value for each in directives_on(*nodes)):
                if directive in kept:
                    message = (
                        f"[{one.view.name}] {type_name}.{field_name} is @external and has @{directive}, which "
                        "belongs where the field is answered. Move it there."
                    )
                    yield Problem("MERGED_DIRECTIVE_APPLICATION_ON_EXTERNAL", message, (one.view.name,))
