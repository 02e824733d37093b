"""Fields that environments declare, in a running store: each environment's own schema, alike in every process."""

import http.client
import json
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from partners import Environment, Line, line_to_each_process, new_environment
from running import RunningStore, roles_apart, store_up, until
from test_crashes import kill

DEFINE = "mutation Define($input: DefineCustomFieldInput!) { defineCustomField(input: $input) { key } }"
REMOVE = """mutation Remove($key: String!, $removeValues: Boolean!) {
  removeCustomField(on: PRODUCT, key: $key, removeValues: $removeValues)
}"""
CREATE = 'mutation Create { createProduct(input: {name: "Lamp", variants: []}) { id version } }'
SET = """mutation Set($id: ID!, $version: Int!, $input: ProductCustomInput!) {
  setProductCustom(id: $id, version: $version, input: $input) { id version }
}"""
FIELDS = '{ __type(name: "ProductCustom") { fields { name type { name } } } }'


@pytest.fixture(scope="module")
def hurt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningStore, "subprocess.Popen[bytes]"]]:
    """A store of this module's own, whose processes its tests kill."""
    with store_up(tmp_path_factory.mktemp("fields") / "state") as (store, process):
        yield store, process


def done(answer: Any) -> Any:
    """The data of an answer without errors."""
    assert "errors" not in answer.json, answer
    return answer.json["data"]


def define(shop: Environment, key: str, kind: str = "INT", **more: Any) -> None:
    done(shop.graphql(DEFINE, input={"on": "PRODUCT", "key": key, "type": kind, "storefront": True, **more}))


def asked(line: Line, headers: dict[str, str], query: str) -> Any:
    """What one web process answers."""
    body = json.dumps({"query": query}).encode()
    return line.request("/graphql", method="POST", body=body, headers={**headers, "Content-Type": "application/json"})


def fields(line: Line, headers: dict[str, str]) -> dict[str, str]:
    """The custom fields of products that one web process shows a caller: name → type."""
    answer = asked(line, headers, FIELDS)
    named = answer.json["data"]["__type"] if answer.status == 200 and "data" in answer.json else None
    return {one["name"]: one["type"]["name"] for one in named["fields"]} if named else {}


def everywhere(lines: list[Line], holds: Callable[[Line], bool], what: str) -> None:
    until(lambda: all(holds(line) for line in lines), within_s=30, what=what)


def test_two_environments_have_schemas_of_their_own_in_both_processes(
    hurt: tuple[RunningStore, "subprocess.Popen[bytes]"],
) -> None:
    store, _ = hurt
    one, other = new_environment(store), new_environment(store)
    plain = new_environment(store)
    with line_to_each_process(store) as lines:
        define(one, "warrantyMonths")
        define(other, "material", "ENUM", enumValues=["OAK", "STEEL"])
        define(other, "cost", storefront=False)
        everywhere(lines, lambda line: fields(line, one.secrets) == {"warrantyMonths": "Int"}, "the first schema")
        theirs = {"material": "ProductCustomMaterialValue", "cost": "Int"}
        everywhere(lines, lambda line: fields(line, other.secrets) == theirs, "the second schema")
        for line in lines:
            assert fields(line, other.shopper) == {"material": "ProductCustomMaterialValue"}
            assert fields(line, plain.secrets) == {}
            refused = asked(line, one.shopper, "{ products { custom { material } } }").json["errors"][0]
            assert refused["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        lamp = done(other.graphql(CREATE))["createProduct"]
        done(other.graphql(SET, **lamp, input={"material": "OAK", "cost": 700}))
        for line in lines:
            seen = asked(line, other.shopper, "{ products { name custom { material } } }")
            assert done(seen) == {"products": [{"name": "Lamp", "custom": {"material": "OAK"}}]}
            hidden = asked(line, other.shopper, "{ products { custom { cost } } }").json
            assert hidden["data"] == {"products": [{"custom": {"cost": None}}]}
            assert hidden["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        done(other.graphql(REMOVE, key="material", removeValues=True))
        everywhere(lines, lambda line: fields(line, other.secrets) == {"cost": "Int"}, "the schema after a removal")
        everywhere(lines, lambda line: fields(line, one.secrets) == {"warrantyMonths": "Int"}, "the other one")


def test_a_field_is_there_for_the_one_who_declared_it_at_once(
    hurt: tuple[RunningStore, "subprocess.Popen[bytes]"],
) -> None:
    store, _ = hurt
    shop = new_environment(store)
    with line_to_each_process(store, 1) as (line,):
        headers = {**shop.secrets, "Content-Type": "application/json"}
        for number in range(5):
            given = {"on": "PRODUCT", "key": f"field{number}", "type": "INT"}
            body = json.dumps({"query": DEFINE, "variables": {"input": given}}).encode()
            done(line.request("/graphql", method="POST", body=body, headers=headers))
            assert len(fields(line, shop.secrets)) == number + 1


def test_a_registered_operation_keeps_its_field(hurt: tuple[RunningStore, "subprocess.Popen[bytes]"]) -> None:
    store, _ = hurt
    shop = new_environment(store)
    define(shop, "height")
    define(shop, "width")
    document = {"id": "shelf", "document": "query Shelf { products { name custom { height } } }"}
    with line_to_each_process(store) as lines:
        everywhere(lines, lambda line: len(fields(line, shop.secrets)) == 2, "both fields")
        assert shop.operate("POST", "/operations", {"operations": [document]}) == {"new": 1}
        refused = shop.graphql(REMOVE, key="height", removeValues=False).json["errors"][0]
        assert refused["extensions"]["code"] == "CUSTOM_FIELD_IN_USE"
        assert "shelf" in refused["message"]
        done(shop.graphql(REMOVE, key="width", removeValues=False))
        shop.operate("DELETE", "/operations/shelf")
        done(shop.graphql(REMOVE, key="height", removeValues=False))
        everywhere(lines, lambda line: fields(line, shop.secrets) == {}, "no fields")


def in_every_process(store: RunningStore, holds: Callable[[Line], bool]) -> bool:
    """Whether two processes answer, and it holds in both; false while they are not back yet."""
    try:
        with line_to_each_process(store) as lines:
            return all(holds(line) for line in lines)
    except (OSError, http.client.HTTPException, AssertionError):
        return False


@pytest.mark.timeout(300)
def test_killed_processes_come_back_with_every_schema(
    hurt: tuple[RunningStore, "subprocess.Popen[bytes]"],
) -> None:
    store, process = hurt
    shop = new_environment(store)
    version = 1
    lamp = done(shop.graphql(CREATE))["createProduct"]
    for keys in (["field0"], ["field0", "field1"]):
        shown = dict.fromkeys(keys, "Int")
        holds = partial(lambda line, shown: fields(line, shop.secrets) == shown, shown=shown)
        define(shop, keys[-1])
        until(partial(in_every_process, store, holds), what="the new field")
        done(shop.graphql(SET, id=lamp["id"], version=version, input={keys[-1]: version}))
        version += 1
        kill(process, "serve", "web")
        until(partial(in_every_process, store, holds), within_s=90, what="all fields after a kill")
    (read,) = done(shop.graphql("{ products { custom { field0 field1 } } }"))["products"]
    assert read["custom"] == {"field0": 1, "field1": 2}


@pytest.mark.timeout(300)
def test_fields_are_in_the_schema_through_all_roles(tmp_path: Path) -> None:
    with roles_apart(tmp_path / "state") as store:
        one, other = new_environment(store), new_environment(store)
        define(one, "warrantyMonths")
        define(other, "ean", "STRING")
        lamp = done(one.graphql(CREATE))["createProduct"]

        def seen() -> Any:
            answer = one.graphql(SET, **lamp, input={"warrantyMonths": 24}).json
            return "errors" not in answer

        until(seen, within_s=30, what="the field in the gateway's process")
        with line_to_each_process(store, 1) as lines:
            everywhere(lines, lambda line: fields(line, one.shopper) == {"warrantyMonths": "Int"}, "the first schema")
            everywhere(lines, lambda line: fields(line, other.shopper) == {"ean": "String"}, "the second schema")
            answer = asked(lines[0], one.shopper, "{ products { name custom { warrantyMonths } } }")
            assert done(answer) == {"products": [{"name": "Lamp", "custom": {"warrantyMonths": 24}}]}
            refused = one.graphql(REMOVE, key="warrantyMonths", removeValues=False).json["errors"][0]
            assert refused["extensions"]["code"] == "CUSTOM_FIELD_HAS_VALUES"
            done(one.graphql(REMOVE, key="warrantyMonths", removeValues=True))
            everywhere(lines, lambda line: fields(line, one.secrets) == {}, "the schema without the field")
