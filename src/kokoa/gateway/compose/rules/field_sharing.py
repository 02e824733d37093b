"""INVALID_FIELD_SHARING: a field that several subgraphs answer is marked @shareable in each of them."""

from collections.abc import Iterator, Mapping

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.subgraphs import Source, Subgraphs
from kokoa.gateway.compose.usage import provided_fields

Provided = Mapping[str, set[tuple[str, str]]]


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    provided = {view.name: provided_fields(view.schema, view.joins) for view in subgraphs.views}
    for (type_name, field_name), sources in subgraphs.fields.items():
        if not subgraphs.versions(type_name, "object"):
            continue
        answers = [one for one in sources if _answers(one, field_name, provided)]
        alone = tuple(one.view.name for one in answers if not one.join.shareable and not one.join.external)
        if len(answers) > 1 and alone:
            who = ", ".join(_described(one, type_name) for one in answers)
            message = (
                f"{type_name}.{field_name} is answered by {who}, but is not @shareable in {', '.join(alone)}. Mark "
                "it @shareable in all of them if they give the same answer, or take it over with @override(from:)."
            )
            yield Problem("INVALID_FIELD_SHARING", message, alone)


def _answers(one: Source, field_name: str, provided: Provided) -> bool:
    if one.join.overridden or one.join.overridden_label:
        return False
    return not one.join.external or (one.holder, field_name) in provided[one.view.name]


def _described(source: Source, type_name: str) -> str:
    if source.join.external:
        return f"{source.view.name} (by @provides)"
    if source.holder != type_name:
        return f"{source.view.name} (by its interface object {source.holder})"
    return source.view.name
