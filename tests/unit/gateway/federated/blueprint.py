"""A graph and its split: which subgraph answers what, by which keys, requirements, promises and overrides.

Every blueprint composes: each entity has one subgraph, its *bridge*, that knows all its keys; every other has one.
"""

from dataclasses import dataclass, field
from random import Random

KEYS = {"id": "id: ID!", "sku": "sku: String!", "tag { code }": "tag: Tag!"}
LEAVES = ("String", "Int", "Int!", "[String]", "Color", "[Int!]")
OPAQUE = "opaque"


@dataclass
class Field:
    """owners: the subgraphs that answer it.  overridden: the subgraph that lost it, at all times or by label.

    requires: a field set, and what of it is external.  provides: subgraph → field set, and what it promises.
    """

    name: str
    type: str
    of: str
    owners: list[str]
    argument: bool = False
    inaccessible: bool = False
    overridden: str = ""
    label: str = ""
    requires: str = ""
    externals: list[tuple[str, str]] = field(default_factory=list)
    provides: dict[str, str] = field(default_factory=dict)
    promised: dict[str, tuple[str, str]] = field(default_factory=dict)
    required: bool = False
    shared: bool = False


@dataclass
class Entity:
    """keys: subgraph → the keys by which it finds the entity; the first is the bridge."""

    name: str
    keys: dict[str, list[str]]
    fields: dict[str, Field] = field(default_factory=dict)

    @property
    def holders(self) -> list[str]:
        return list(self.keys)


@dataclass
class Blueprint:
    """home: the subgraph that knows everything of the interface.  opaque: whether one knows it as an object.

    split: the two subgraphs that know a half each of the value type W.
    """

    subgraphs: list[str]
    entities: dict[str, Entity]
    node: list[str]
    union: list[str]
    home: str
    home_has_key: bool
    opaque: bool
    split: tuple[str, str]
    stub_keys: dict[tuple[str, str], str]
    roots: dict[str, Field] = field(default_factory=dict)
    mutations: dict[str, Field] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)

    def members(self, name: str) -> list[str]:
        """The object types of a composite type."""
        return {"Node": self.node, "Some": self.union}.get(name, [name])


class _Maker:
    def __init__(self, chance: Random) -> None:
        self.chance = chance
        subgraphs = [f"s{index}" for index in range(chance.choice([1, 2, 2, 3, 3, 4]))]
        names = [f"T{index}" for index in range(chance.choice([3, 4]))]
        home = chance.choice(subgraphs)
        node = names[: chance.choice([2, 2, 3])]
        opaque = chance.random() < 0.5
        self.plan = Blueprint(
            subgraphs=subgraphs,
            entities={name: self._entity(name, subgraphs, home if name in node else "") for name in names},
            node=node,
            union=sorted(chance.sample(names, 2)),
            home=home,
            home_has_key=opaque or chance.random() < 0.3,
            opaque=opaque,
            split=(chance.choice(subgraphs), chance.choice(subgraphs)),
            stub_keys={},
        )

    def make(self) -> Blueprint:
        plan = self.plan
        for entity in plan.entities.values():
            self._stubs(entity)
            self._leaves(entity)
        for entity in plan.entities.values():
            self._links(entity)
        for entity in plan.entities.values():
            self._requirements(entity)
        self._promises()
        self._roots()
        return plan

    def _stubs(self, entity: Entity) -> None:
        options = ["id"] if entity.name in self.plan.node else next(iter(entity.keys.values()))
        for subgraph in self.plan.subgraphs:
            self.plan.stub_keys[subgraph, entity.name] = self.chance.choice(options)

    def _entity(self, name: str, subgraphs: list[str], home: str) -> Entity:
        chance = self.chance
        options = ["id", *(one for one in ("sku", "tag { code }") if chance.random() < 0.5)]
        holders = chance.sample(subgraphs, chance.randint(1, len(subgraphs)))
        if home:
            holders = [home, *(one for one in holders if one != home)]
        keys = {holders[0]: options}
        for one in holders[1:]:
            own = chance.sample(options, chance.choice([1, 1, len(options)]))
            keys[one] = sorted({*own, "id"}) if home else own  # the interface has the id in every subgraph
        return Entity(name, keys)

    def _leaves(self, entity: Entity) -> None:
        chance = self.chance
        for index in range(chance.randint(3, 5)):
            name = f"n{index}"
            of = chance.choice(LEAVES)
            made = Field(name, of, of.strip("[]!"), [chance.choice(entity.holders)], argument=chance.random() < 0.25)
            entity.fields[name] = made
            self._spread(entity, made)
        if entity.name in self.plan.node:
            entity.fields["name"] = Field("name", "String", "String", [self.plan.home], required=True)

    def _spread(self, entity: Entity, made: Field) -> None:
        """Let a field be shared, overridden or hidden."""
        chance = self.chance
        others = [one for one in entity.holders if one not in made.owners]
        roll = chance.random()
        if others and roll < 0.2:
            made.owners.append(chance.choice(others))
            made.shared = True
        elif others and roll < 0.45:
            made.overridden = chance.choice(others)
            if chance.random() < 0.5:
                made.label = f"percent({chance.randint(1, 99)})"
                self.plan.labels = sorted({*self.plan.labels, made.label})
        elif roll > 0.88:
            made.inaccessible = True

    def _links(self, entity: Entity) -> None:
        chance, plan = self.chance, self.plan
        targets = [*plan.entities, *plan.entities, "Node", "Node", "Some", "V"]
        for index in range(chance.randint(2, 3)):
            of = chance.choice(targets)
            shape = chance.choice(["{}", "{}", "{}!", "[{}]", "[{}!]!"])
            made = Field(f"l{index}", shape.format(of), of, [chance.choice(entity.holders)])
            made.argument = chance.random() < 0.2
            entity.fields[made.name] = made
            others = [one for one in entity.holders if one not in made.owners]
            if others and chance.random() < 0.3:
                made.owners.append(chance.choice(others))
                made.shared = True
        if set(plan.split) <= set(entity.holders) and chance.random() < 0.7:
            owners = sorted(set(plan.split))
            entity.fields["w"] = Field("w", chance.choice(["W", "W!"]), "W", owners, shared=len(owners) > 1)

    def _requirements(self, entity: Entity) -> None:
        chance = self.chance
        for index, subgraph in enumerate(entity.holders):
            foreign = [
                one
                for one in entity.fields.values()
                if subgraph not in one.owners and one.overridden != subgraph and one.of not in {"W", "Some"}
            ]
            if not foreign or chance.random() < 0.25:
                continue
            parts, externals = [], []
            chosen = chance.sample(foreign, min(len(foreign), chance.choice([1, 1, 2])))
            if chance.random() < 0.6:
                chosen = [one for one in foreign if one.of == "Node"][:1] or chosen
            for one in chosen:
                part = self._required_part(one, subgraph, externals)
                if part:
                    one.required = True
                    externals.append((entity.name, one.name))
                    parts.append(part)
            if parts:
                made = Field(
                    f"r{index}", "String", "String", [subgraph], requires=" ".join(parts), externals=externals
                )
                entity.fields[made.name] = made

    def _required_part(self, one: Field, subgraph: str, externals: list[tuple[str, str]]) -> str:
        """A field of a requirement, with what is selected below it."""
        chance, plan = self.chance, self.plan
        head = f"{one.name}(by: {chance.randint(1, 3)})" if one.argument else one.name
        if one.of == "V":
            return f"{head} {{ x }}"
        if one.of == "Node":
            nested = [(name, self._nested(name, subgraph, externals)) for name in plan.node]
            fragments = [f"... on {name} {{ {inner} }}" for name, inner in nested if inner]
            return f"{head} {{ {' '.join(('id', *fragments))} }}"
        if one.of in plan.entities:
            return f"{head} {{ {self._nested(one.of, subgraph, externals) or self._key_of(one.of, subgraph)} }}"
        return head

    def _key_of(self, name: str, subgraph: str) -> str:
        entity, stub = self.plan.entities[name], self.plan.stub_keys[subgraph, name]
        return self.chance.choice(entity.keys.get(subgraph, [stub]))

    def _nested(self, name: str, subgraph: str, externals: list[tuple[str, str]]) -> str:
        """One leaf of an entity that the requiring subgraph may mention."""
        entity = self.plan.entities[name]
        leaves = [
            one
            for one in entity.fields.values()
            if one.name.startswith("n") and not one.argument and one.overridden != subgraph and not one.label
        ]
        if not leaves or self.chance.random() < 0.25:
            return ""
        one = self.chance.choice(leaves)
        one.required = True
        if subgraph not in one.owners:
            externals.append((name, one.name))
        return one.name

    def _promises(self) -> None:
        """Let some links promise a leaf of what they lead to."""
        for entity in self.plan.entities.values():
            for link in entity.fields.values():
                for owner in link.owners:
                    if self.chance.random() < 0.4:
                        self._promise(link, owner)

    def _promise(self, link: Field, owner: str) -> None:
        plan = self.plan
        names = [one for one in plan.members(link.of) if one in plan.entities]
        if not names:
            return
        name = self.chance.choice(names)
        leaves = [
            one
            for one in plan.entities[name].fields.values()
            if one.name.startswith("n") and owner not in one.owners and not one.overridden
        ]
        leaves = [one for one in leaves if not one.inaccessible and not one.argument]
        if leaves:
            one = self.chance.choice(leaves)
            one.shared = True
            link.provides[owner] = one.name if link.of == name else f"... on {name} {{ {one.name} }}"
            link.promised[owner] = (name, one.name)

    def _roots(self) -> None:
        chance, plan = self.chance, self.plan
        for of in [*plan.entities, "Node", "Some", "V"]:
            shape = chance.choice(["{}", "[{}]", "[{}!]!"])
            owners = chance.sample(plan.subgraphs, min(len(plan.subgraphs), chance.choice([1, 1, 2])))
            made = Field(f"q{of}", shape.format(of), of, owners, chance.random() < 0.3, shared=len(owners) > 1)
            plan.roots[made.name] = made
            if chance.random() < 0.3:
                self._promise(made, owners[0])
        owners = sorted(set(plan.split))
        plan.roots["qW"] = Field("qW", chance.choice(["W", "[W!]"]), "W", owners, shared=len(owners) > 1)
        if plan.opaque:
            for name, of in (("qOne", "Node"), ("qMany", "[Node!]")):
                plan.roots[name] = Field(name, of, "Node", [OPAQUE])
        for index in range(3):
            of = chance.choice([*plan.entities, "Int!"])
            owner = chance.choice(plan.subgraphs)
            plan.mutations[f"m{index}"] = Field(f"m{index}", of, of.strip("!"), [owner], argument=of != "Int!")


def make_blueprint(seed: int) -> Blueprint:
    """The blueprint of a seed."""
    return _Maker(Random(seed)).make()
