"""The `@join__field` directives of a field: which subgraphs answer it, and what each of them says of it."""

from collections.abc import Iterator, Mapping, Sequence

from graphql import StringValueNode, print_ast

from kokoa.gateway.compose.subgraphs import Source, Subgraphs
from kokoa.gateway.compose.usage import used_fields
from kokoa.gateway.fieldset import show

Arguments = Mapping[str, str]


def quoted(text: str) -> str:
    """Text as an SDL string."""
    return print_ast(StringValueNode(value=text))


def directive(name: str, arguments: Arguments) -> str:
    """A directive's application; arguments without a value are left out."""
    given = ", ".join(f"{key}: {value}" for key, value in arguments.items() if value)
    return f"@{name}({given})" if given else f"@{name}"


class JoinFields:
    """graphs: subgraph → its name in the enum `join__Graph`."""

    def __init__(self, subgraphs: Subgraphs, graphs: Mapping[str, str]) -> None:
        self._subgraphs = subgraphs
        self._graphs = graphs
        self._used = {view.name: used_fields(view.schema, view.joins) for view in subgraphs.views}

    def of_field(self, type_name: str, field_name: str, merged_type: str) -> list[str]:
        """The directives of a field of an object or interface type; none where they would say nothing."""
        sources = list(self._subgraphs.own_sources(type_name, field_name))
        if not sources:
            return ["@join__field"]  # it comes from interface objects only
        kept = [one for one in sources if not one.join.overridden or self._is_used(one, field_name)]
        types_equal = all(str(one.field.type) == merged_type for one in sources)
        if types_equal and not self._says_anything(type_name, sources, kept):
            return []
        return [directive("join__field", self._arguments(one, types_equal)) for one in kept]

    def _is_used(self, one: Source, field_name: str) -> bool:
        return (one.holder, field_name) in self._used[one.view.name]

    def _says_anything(self, type_name: str, sources: Sequence[Source], kept: Sequence[Source]) -> bool:
        if len(kept) < len(sources) or len(sources) < len(self._subgraphs.types[type_name]):
            return True
        joins = [one.join for one in kept]
        return any(
            join.external or join.overridden or join.requires or join.provides or join.overridden_label
            for join in joins
        ) or any(join.override_from in self._graphs for join in joins)

    def _arguments(self, one: Source, types_equal: bool) -> Arguments:
        join = one.join
        return {
            "graph": self._graphs[one.view.name],
            "requires": quoted(show(join.requires)) if join.requires else "",
            "provides": quoted(show(join.provides)) if join.provides else "",
            "type": "" if types_equal else quoted(str(one.field.type)),
            "external": "true" if join.external else "",
            "override": quoted(join.override_from) if join.override_from else "",
            "usedOverridden": "true" if join.overridden and not join.external else "",
            "overrideLabel": quoted(join.override_label or join.overridden_label)
            if join.override_label or join.overridden_label
            else "",
        }

    def of_input_field(self, type_name: str, field_name: str, merged_type: str) -> Iterator[str]:
        """The directives of a field of an input object: only if it is not the same everywhere."""
        versions = self._subgraphs.input_fields[type_name, field_name]
        if any(str(value.type) != merged_type for _, value in versions):
            for view, value in versions:
                found = {"graph": self._graphs[view.name], "type": quoted(str(value.type))}
                yield directive("join__field", found)
