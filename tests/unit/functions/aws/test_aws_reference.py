"""The reference page lists exactly the operations that are there, and the codes of the error tables."""

import re
from pathlib import Path

import pytest

from kokoa.functions.aws.apigatewayv2 import definition as apigatewayv2
from kokoa.functions.aws.apigatewayv2.provider import ApiGatewayProvider
from kokoa.functions.aws.errors import UnknownOperation
from kokoa.functions.aws.lambda_ import definition as lambda_
from kokoa.functions.aws.lambda_.provider import LambdaProvider
from kokoa.functions.aws.logs import definition as logs
from kokoa.functions.aws.logs.provider import LogsProvider
from kokoa.functions.aws.service import AwsService, ServiceDefinition
from kokoa.functions.aws.sts import definition as sts
from kokoa.functions.aws.sts.provider import StsProvider

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "aws-api.md").read_text()
SERVICES = [
    (lambda_.DEFINITION, LambdaProvider),
    (apigatewayv2.DEFINITION, ApiGatewayProvider),
    (sts.DEFINITION, StsProvider),
    (logs.DEFINITION, LogsProvider),
]


@pytest.mark.parametrize(("definition", "provider"), SERVICES, ids=lambda value: getattr(value, "name", ""))
def test_the_page_lists_what_is_there(definition: ServiceDefinition, provider: type) -> None:
    section = PAGE.partition(f"\n## {definition.title}\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| ([A-Z][A-Za-z]+) \|", section, re.MULTILINE)
    assert tuple(listed) == AwsService(definition, provider).implemented()


@pytest.mark.parametrize(("definition", "provider"), SERVICES, ids=lambda value: getattr(value, "name", ""))
def test_every_method_of_a_provider_is_an_operation(definition: ServiceDefinition, provider: type) -> None:
    methods = [name for name in vars(provider) if not name.startswith("_")]
    assert len(methods) == len(AwsService(definition, provider).implemented())


@pytest.mark.parametrize(("definition", "provider"), SERVICES, ids=lambda value: getattr(value, "name", ""))
def test_the_page_lists_the_codes_of_the_error_tables(definition: ServiceDefinition, provider: type) -> None:
    rows = [row for kind, row in definition.errors.rows.items() if kind is not UnknownOperation]
    rare = {"SerializationException", "IncompleteSignatureException", "IncompleteSignature", "MalformedQueryString"}
    rare |= {"CodeStorageExceededException", "PolicyLengthExceededException"}
    missing = {row.code for row in rows} - rare - set(re.findall(r"\w+", PAGE))
    assert missing == set()
