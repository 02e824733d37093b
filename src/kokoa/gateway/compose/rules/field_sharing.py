"""INVALID_FIELD_SHARING: a field that several subgraphs answer is marked @shareable in each of them."""

from collections.abc import Iterator, Sequence

from graphql import is_object_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.supergraph import SubgraphView


def check(views: Sequence[SubgraphView]) -> Iterator[Problem]:
    for name, field in dict.fromkeys(key for view in views for key in view.joins):
        own = [
            view
            for view in views
            if (name, field) in view.joins
            and is_object_type(view.schema.get_type(name))
            and not view.joins[name, field].external
            and not view.joins[name, field].overridden
        ]
        alone = tuple(view.name for view in own if not view.joins[name, field].shareable)
        if len(own) > 1 and alone:
            who = ", ".join(view.name for view in own)
            message = (
                f"{name}.{field} is answered by {who}, but is not @shareable in {', '.join(alone)}. Mark it "
                "@shareable in all of them if they give the same answer, or take it over with @override(from:)."
            )
            yield Problem("INVALID_FIELD_SHARING", message, alone)
