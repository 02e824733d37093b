"""A blueprint as SDL."""

from collections.abc import Iterator

from federated.blueprint import KEYS, OPAQUE, Blueprint, Entity, Field

LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", '
    '"@external", "@requires", "@provides", "@override", "@inaccessible", "@interfaceObject"])'
)
ENUM = "enum Color { RED GREEN }"
OPAQUE_FIELDS = "extra(by: Int): String  rx: String"


def value_fields(plan: Blueprint) -> str:
    """The fields of the value type that is shared by all."""
    return f"x: Int  y(by: Int): String  e: {list(plan.entities)[-1]}"


def _named(made: Field) -> str:
    return f"{made.name}(by: Int): {made.type}" if made.argument else f"{made.name}: {made.type}"


def monolith_sdl(plan: Blueprint) -> str:
    """What clients see, as one schema."""
    extra = OPAQUE_FIELDS if plan.opaque else ""
    parts = [ENUM, "type Tag { code: ID! }", f"type V {{ {value_fields(plan)} }}"]
    parts.append("type W { common: Int  wa: Int  wb: String }")
    parts.append(f"interface Node {{ id: ID!  name: String  {extra} }}")
    parts.append(f"union Some = {' | '.join(plan.union)}")
    for entity in plan.entities.values():
        keys = {KEYS[one] for own in entity.keys.values() for one in own} | {
            KEYS[plan.stub_keys[one]] for one in plan.stub_keys if one[1] == entity.name
        }
        fields = [_named(one) for one in entity.fields.values() if not one.inaccessible]
        is_node = entity.name in plan.node
        head = f"type {entity.name}{' implements Node' if is_node else ''}"
        parts.append(f"{head} {{ {' '.join((*sorted(keys | {KEYS['id']}), *fields))} {extra if is_node else ''} }}")
    parts.append(f"type Query {{ {' '.join(map(_named, plan.roots.values()))} }}")
    parts.append(f"type Mutation {{ {' '.join(map(_named, plan.mutations.values()))} }}")
    return "\n".join(parts)


class _Writer:
    """Writes one subgraph."""

    def __init__(self, plan: Blueprint, subgraph: str) -> None:
        self.plan = plan
        self.subgraph = subgraph
        self.mentioned: set[str] = set()

    def write(self) -> str:
        plan, name = self.plan, self.subgraph
        bodies = {entity.name: self._fields(entity) for entity in plan.entities.values() if name in entity.keys}
        roots = [self._line(one) for one in plan.roots.values() if name in one.owners]
        mutations = [self._line(one) for one in plan.mutations.values() if name in one.owners]
        if name == plan.home:
            self.mentioned |= {"Node"}
        externals = self._externals()
        while not self._settled():
            pass
        parts = [LINK, ENUM]
        if roots:
            parts.append(f"type Query {{ {' '.join(roots)} }}")
        if mutations:
            parts.append(f"type Mutation {{ {' '.join(mutations)} }}")
        parts += self._abstract()
        parts += self._values()
        for entity in plan.entities.values():
            if entity.name in bodies or entity.name in self.mentioned or entity.name in externals:
                lines = [*bodies.get(entity.name, []), *externals.get(entity.name, [])]
                parts.append(self._entity(entity, lines))
        if any("tag: Tag!" in one for one in parts):
            parts.append("type Tag { code: ID! @shareable }")
        return "\n".join(parts)

    def _settled(self) -> bool:
        """Add what the mentioned types mention; whether there was nothing to add."""
        before = len(self.mentioned)
        for name in list(self.mentioned):
            self.mentioned |= set(self.plan.members(name))
        if "V" in self.mentioned:
            self.mentioned.add(list(self.plan.entities)[-1])
        return len(self.mentioned) == before

    def _line(self, made: Field) -> str:
        self.mentioned.add(made.of)
        line = _named(made)
        if made.overridden and made.owners[0] == self.subgraph:
            label = f', label: "{made.label}"' if made.label else ""
            line += f' @override(from: "{made.overridden}"{label})'
        if made.shared and self.subgraph in made.owners:
            line += " @shareable"
        if made.inaccessible and self.subgraph in made.owners:
            line += " @inaccessible"
        if made.requires and self.subgraph in made.owners:
            line += f' @requires(fields: "{made.requires}")'
        if self.subgraph in made.provides:
            line += f' @provides(fields: "{made.provides[self.subgraph]}")'
        return line

    def _fields(self, entity: Entity) -> list[str]:
        return [
            self._line(one)
            for one in entity.fields.values()
            if self.subgraph in one.owners or one.overridden == self.subgraph
        ]

    def _externals(self) -> dict[str, list[str]]:
        """Type → the fields that are only mentioned here."""
        found: dict[str, list[str]] = {}
        for name, field_name in mentions(self.plan, self.subgraph):
            made = self.plan.entities[name].fields[field_name]
            self.mentioned |= {name, made.of}
            found.setdefault(name, []).append(f"{_named(made)} @external")
        return found

    def _abstract(self) -> Iterator[str]:
        if "Node" in self.mentioned:
            home = self.subgraph == self.plan.home
            key = ' @key(fields: "id")' if home and self.plan.home_has_key else ""
            yield f"interface Node{key} {{ id: ID! {'name: String' if home else ''} }}"
        if "Some" in self.mentioned:
            yield f"union Some = {' | '.join(self.plan.union)}"

    def _values(self) -> Iterator[str]:
        if "V" in self.mentioned:
            yield f"type V @shareable {{ {value_fields(self.plan)} }}"
        if self.subgraph in self.plan.split:
            first, second = self.plan.split
            own = "wa: Int " if self.subgraph == first else ""
            own += "wb: String" if self.subgraph == second else ""
            yield f"type W {{ common: Int @shareable {own} }}"

    def _entity(self, entity: Entity, lines: list[str]) -> str:
        own = entity.keys.get(self.subgraph)
        keys = own or [self.plan.stub_keys[self.subgraph, entity.name]]
        ending = "" if own else ", resolvable: false"
        head = f"type {entity.name}"
        if entity.name in self.plan.node and "Node" in self.mentioned:
            head += " implements Node"
        head += "".join(f' @key(fields: "{one}"{ending})' for one in keys)
        return f"{head} {{ {' '.join((*(KEYS[one] for one in keys), *lines))} }}"


def mentions(plan: Blueprint, subgraph: str) -> list[tuple[str, str]]:
    """The fields that a subgraph declares @external."""
    found: dict[tuple[str, str], None] = {}
    for made in [*plan.roots.values(), *(one for entity in plan.entities.values() for one in entity.fields.values())]:
        wanted = list(made.externals) if subgraph in made.owners else []
        if subgraph in made.promised:
            wanted.append(made.promised[subgraph])
        for name, field_name in wanted:
            target = plan.entities[name].fields[field_name]
            if subgraph not in target.owners and target.overridden != subgraph:
                found[name, field_name] = None
    return list(found)


def _opaque_sdl() -> str:
    return f"""{LINK}
type Query {{ qOne: Node  qMany: [Node!] }}
type Node @key(fields: "id") @interfaceObject {{
  id: ID!  extra(by: Int): String  name: String @external  rx: String @requires(fields: "name")
}}"""


def subgraph_sdls(plan: Blueprint) -> dict[str, str]:
    """Subgraph → SDL."""
    found = {name: _Writer(plan, name).write() for name in plan.subgraphs}
    if plan.opaque:
        found[OPAQUE] = _opaque_sdl()
    return found
