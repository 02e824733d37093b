"""Model constraints in AWS's own words."""

from typing import Any

import pytest
from botocore.model import ShapeResolver

from kokoa.functions.aws.constraints import Constraints
from kokoa.functions.aws.errors import ModelViolation
from kokoa.functions.aws.service import load_model


def problems(service: str, operation: str, request: dict[str, Any]) -> str:
    shape = load_model(service).operation_model(operation).input_shape
    with pytest.raises(ModelViolation) as caught:
        Constraints().validator(shape)(request)
    return caught.value.message


def test_all_violations_are_told_at_once() -> None:
    told = problems("lambda", "CreateFunction", {"FunctionName": "a b", "Role": "x", "Timeout": 0})
    assert told.startswith("4 validation errors detected: Value null at 'code' failed to satisfy constraint: ")
    assert "Value 'a b' at 'functionName' failed to satisfy constraint: Member must satisfy regular exp" in told
    assert "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal" in told


def test_nested_members_are_named_by_their_path() -> None:
    request = {"FunctionName": "f", "Layers": ["arn:x"], "Environment": {"Variables": {"1": "secret-value"}}}
    told = problems("lambda", "UpdateFunctionConfiguration", request)
    assert "'layers.1.member'" in told
    assert "'environment.variables'" in told


def test_sensitive_values_are_not_repeated() -> None:
    told = problems(
        "lambda", "UpdateFunctionConfiguration", {"FunctionName": "f", "Environment": {"Variables": {"9secret": "x"}}}
    )
    assert "9secret" not in told


def test_a_value_of_a_closed_set() -> None:
    told = problems("lambda", "Invoke", {"FunctionName": "f", "InvocationType": "Sync"})
    assert told == (
        "1 validation error detected: Value 'Sync' at 'invocationType' failed to satisfy constraint: "
        "Member must satisfy enum value set: [Event, RequestResponse, DryRun]"
    )


def test_long_texts_are_refused_before_any_pattern_runs() -> None:
    told = problems("lambda", "GetFunction", {"FunctionName": "a" * 200_000})
    assert "length less than or equal to" in told
    assert "regular expression" not in told
    assert len(told) < 500


def test_shapes_that_contain_themselves_are_checked_to_the_bottom() -> None:
    tree = {
        "type": "structure",
        "members": {"Name": {"shape": "Name"}, "Children": {"shape": "Children"}},
    }
    children = {"type": "list", "member": {"shape": "Tree"}}
    shapes = {"Tree": tree, "Children": children, "Name": {"type": "string", "max": 3}}
    validate = Constraints().validator(ShapeResolver(shapes).get_shape_by_name("Tree"))
    validate({"Name": "a", "Children": [{"Children": [{"Name": "abc"}]}]})
    with pytest.raises(ModelViolation, match=r"children\.1\.member\.children\.1\.member\.name"):
        validate({"Name": "a", "Children": [{"Children": [{"Name": "abcd"}]}]})


def test_lengths_that_only_the_names_of_shapes_tell() -> None:
    told = problems("apigatewayv2", "CreateApi", {"Name": "x" * 129, "ProtocolType": "HTTP"})
    assert "at 'name' failed to satisfy constraint: Member must have length less than or equal to 128" in told
