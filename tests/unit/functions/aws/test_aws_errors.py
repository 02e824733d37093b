"""Error tables: every kernel kind has a row in the table of every service, and bugs show nothing of themselves."""

import pytest

from kokoa.functions.aws.apigatewayv2.definition import ERRORS as APIGATEWAY
from kokoa.functions.aws.errors import ErrorTable, IncompleteSignature, Row, SignatureMismatch, UnknownKey
from kokoa.functions.aws.lambda_.definition import ERRORS as LAMBDA
from kokoa.functions.aws.logs.definition import ERRORS as LOGS
from kokoa.functions.aws.sts.definition import ERRORS as STS
from kokoa.functions.control.errors import FunctionNotFound, RevisionMismatch
from kokoa.functions.host.errors import TooManyRequests
from kokoa.kernel.call import DepthExceeded
from kokoa.kernel.errors import KINDS, DeadlineExceeded, Invalid, KokoaError, Unavailable

TABLES = {"lambda": LAMBDA, "apigatewayv2": APIGATEWAY, "logs": LOGS, "sts": STS}


@pytest.mark.parametrize("service", TABLES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_is_in_every_table(service: str, kind: type[KokoaError]) -> None:
    failure = TABLES[service].failure(kind("told", detail="hidden"), correlation_id="c")
    assert 400 <= failure.status < 600
    assert failure.code
    assert failure.message == "told"
    assert "hidden" not in repr(failure)


def test_a_table_with_a_gap_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="Throttled"):
        ErrorTable({kind: Row("X", 400) for kind in KINDS if kind.__name__ != "Throttled"}, internal=Row("I", 500))


def test_the_nearest_row_answers() -> None:
    assert LAMBDA.failure(RevisionMismatch("x"), correlation_id="c").code == "PreconditionFailedException"
    assert LAMBDA.failure(FunctionNotFound("x"), correlation_id="c").code == "ResourceNotFoundException"
    assert LAMBDA.failure(DepthExceeded("x"), correlation_id="c").status == 400
    assert LAMBDA.failure(DeadlineExceeded("x"), correlation_id="c").status == 503
    assert LAMBDA.failure(TooManyRequests(reason="R"), correlation_id="c").extra == {"Reason": "R"}


def test_a_503_says_when_to_try_again() -> None:
    assert LAMBDA.failure(Unavailable("x"), correlation_id="c").headers == (("Retry-After", "1"),)
    assert LAMBDA.failure(Invalid("x"), correlation_id="c").headers == ()


def test_signature_errors_have_each_services_own_names() -> None:
    for error, json_code, query_code in (
        (SignatureMismatch("x"), "InvalidSignatureException", "SignatureDoesNotMatch"),
        (UnknownKey("x"), "UnrecognizedClientException", "InvalidClientTokenId"),
        (IncompleteSignature("x"), "IncompleteSignatureException", "IncompleteSignature"),
    ):
        assert LAMBDA.failure(error, correlation_id="c").code == json_code
        assert LOGS.failure(error, correlation_id="c").code == json_code
        assert STS.failure(error, correlation_id="c").code == query_code


@pytest.mark.parametrize("service", TABLES)
def test_a_bug_shows_only_the_correlation_id(service: str) -> None:
    failure = TABLES[service].failure(RuntimeError("the secret"), correlation_id="c0ffee")
    assert failure.status == 500
    assert "secret" not in failure.message
    assert "c0ffee" in failure.message
