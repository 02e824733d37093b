"""Functions in real sandboxes: what AWS Lambda promises them, and what their failures look like."""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator

import pytest
from functions_fixtures.hosting import Hosting, eventually, package, require_sandboxes, running_host

from kokoa.functions.host.errors import (
    FunctionCodeInvalid,
    FunctionCodeUnavailable,
    InvocationTooLarge,
    RuntimeUnsupported,
)
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import DeadlineExceeded, Invalid

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hosting]:
    await require_sandboxes()
    async with running_host(tmp_path_factory.mktemp("functions")) as hosting:
        yield hosting


async def test_a_function_answers_its_event(host: Hosting) -> None:
    function = host.function("def handler(event, context): return {'hello': event['name']}")
    first = await host.invoke(function, {"name": "Ada"})
    second = await host.invoke(function, {"name": "Bob"})
    assert (json.loads(first.payload), first.cold_start) == ({"hello": "Ada"}, True)
    assert (json.loads(second.payload), second.cold_start) == ({"hello": "Bob"}, False)
    assert first.executed_version == "$LATEST"


async def test_the_environment_is_what_aws_promises(host: Hosting) -> None:
    function = host.function(
        "import os, sys\n"
        "def handler(event, context):\n"
        "    zone = __import__('time').tzname[0]\n"
        "    return {'env': dict(os.environ), 'cwd': os.getcwd(), 'path': sys.path[:4], 'zone': zone}",
        environment={"COLOUR": "teal", "AWS_LAMBDA_FUNCTION_NAME": "forged"},
        name="colours",
        memory_mb=256,
    )
    seen = await host.answer(function)
    expected = {
        "COLOUR": "teal",
        "AWS_LAMBDA_FUNCTION_NAME": "colours",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/colours",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "ASIAEXAMPLEEXAMPLE12",
        "AWS_SECRET_ACCESS_KEY": "secret-key",
        "AWS_SESSION_TOKEN": "session-token",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9003",
        "APP_LOAD_BALANCER_URL": "http://127.0.0.1:9002",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "TZ": ":UTC",
        "_HANDLER": "handler.handler",
    }
    assert {name: seen["env"].get(name) for name in expected} == expected
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", seen["env"]["AWS_LAMBDA_LOG_STREAM_NAME"])
    assert seen["cwd"] == "/var/task"
    assert seen["path"] == ["/var/task", "/opt/python/lib/python3.11/site-packages", "/opt/python", "/var/runtime"]
    assert seen["zone"] == "UTC"


async def test_variables_that_count_at_process_start_are_there_then(host: Hosting) -> None:
    source = "import sys\ndef handler(event, context): return sys.flags.hash_randomization"
    assert await host.answer(host.function(source)) == 1
    assert await host.answer(host.function(source, environment={"PYTHONHASHSEED": "0"})) == 0


async def test_the_context_tells_about_the_invocation(host: Hosting) -> None:
    function = host.function(
        "import os\n"
        "def handler(event, c):\n"
        "    return [c.aws_request_id, c.invoked_function_arn, c.log_stream_name, c.get_remaining_time_in_millis(),\n"
        "            c.client_context.custom, os.environ['_X_AMZN_TRACE_ID']]"
    )
    request = host.request(function, client_context='{"custom":\r\n{"shop": "é"}}')
    invocation = await host.client.invoke(request)
    assert invocation.function_error is None, invocation.payload
    request_id, arn, stream, left_ms, custom, trace = json.loads(invocation.payload)
    assert (request_id, arn) == (request.request_id, function.arn)
    assert 3000 < left_ms <= 5000
    assert custom == {"shop": "é"}
    assert trace == f"Root=1-{request.correlation_id[:8]}-{request.correlation_id[8:]};Sampled=1"
    assert "[$LATEST]" in stream


async def test_an_exception_is_an_unhandled_error_with_its_trace(host: Hosting) -> None:
    function = host.function("def handler(event, context):\n    raise KeyError('no lamp')")
    request = host.request(function)
    invocation = await host.client.invoke(request)
    document = json.loads(invocation.payload)
    assert invocation.function_error == "Unhandled"
    assert document["errorType"] == "KeyError"
    assert document["errorMessage"] == "'no lamp'"
    assert document["requestId"] == request.request_id
    assert document["stackTrace"] == [
        "  File \"/var/task/handler.py\", line 2, in handler\n    raise KeyError('no lamp')\n"
    ]
    assert b"[ERROR] KeyError: 'no lamp'" in invocation.log_tail
    assert (await host.invoke(function)).cold_start is False


@pytest.mark.parametrize(
    ("source", "handler", "error_type", "message"),
    [
        ("x = 1", "handler.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'handler'"),
        (
            "x = 1",
            "absent.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'absent': No module named",
        ),
        ("x = 1", "nonsense", "Runtime.MalformedHandlerName", "Bad handler 'nonsense': not enough values to unpack"),
        ("def (", "handler.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'handler'"),
        ("raise ValueError('at import')", "handler.handler", "ValueError", "at import"),
    ],
)
async def test_what_cannot_be_loaded_says_why(
    host: Hosting, source: str, handler: str, error_type: str, message: str
) -> None:
    request = host.request(host.function(source, handler=handler))
    invocation = await host.client.invoke(request)
    document = json.loads(invocation.payload)
    assert invocation.function_error == "Unhandled"
    assert (document["errorType"], document["requestId"]) == (error_type, request.request_id)
    assert document["errorMessage"].startswith(message)
    assert b"REPORT RequestId" in invocation.log_tail


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("os._exit(0)", "Runtime exited without providing a reason"),
        ("os._exit(3)", "Runtime exited with error: exit status 3"),
        ("sys.exit(4)", "Runtime exited with error: exit status 4"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
        ("os.kill(os.getpid(), 11)", "Runtime exited with error: signal: segmentation fault"),
    ],
)
async def test_a_function_that_exits(host: Hosting, statement: str, reason: str) -> None:
    function = host.function(f"import os, sys\ndef handler(event, context):\n    {statement}")
    request = host.request(function)
    invocation = await host.client.invoke(request)
    assert json.loads(invocation.payload) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {request.request_id} Error: {reason}",
    }
    assert f"RequestId: {request.request_id} Error: {reason}".encode() in invocation.log_tail
    assert (await host.invoke(function)).cold_start is True


async def test_a_function_that_exits_while_it_is_loaded(host: Hosting) -> None:
    document = await host.failure(host.function("import sys\nsys.exit(7)"))
    assert document["errorType"] == "Runtime.ExitError"
    assert document["errorMessage"].endswith("Error: Runtime exited with error: exit status 7")


async def test_a_function_that_sleeps_past_its_timeout(host: Hosting) -> None:
    function = host.function(
        "from time import sleep\n"
        "def handler(event, context):\n    print('before')\n    sleep(event)\n    return 'awake'",
        timeout_s=1,
    )
    request = host.request(function, 30)
    invocation = await host.client.invoke(request)
    what = "Task timed out after 1.00 seconds"
    assert json.loads(invocation.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request.request_id} Error: {what}",
    }
    tail = invocation.log_tail.decode()
    assert re.search(rf"\d{{4}}-\d\d-\d\dT[\d:.]+Z {request.request_id} {what}", tail)
    assert "before\n" in tail
    assert re.search(r"REPORT .*Duration: 1000\.00 ms\tBilled Duration: 1000 ms\t.*Status: timeout", tail)
    again = await host.invoke(function, 0)
    assert (json.loads(again.payload), again.cold_start) == ("awake", True)


async def test_a_function_that_eats_memory_is_killed_alone(host: Hosting) -> None:
    neighbour = host.function("def handler(event, context): return 'fine'")
    await host.invoke(neighbour)
    hungry = host.function("def handler(event, context):\n    x = []\n    while True: x.append(bytearray(1 << 20))")
    request = host.request(hungry)
    invocation = await host.client.invoke(request)
    assert json.loads(invocation.payload) == {
        "errorType": "Runtime.OutOfMemory",
        "errorMessage": f"RequestId: {request.request_id} Error: Runtime exited with error: signal: killed",
    }
    assert b"Max Memory Used: 128 MB" in invocation.log_tail, invocation.log_tail
    assert (await host.invoke(neighbour)).cold_start is False


async def test_an_answer_that_is_too_large(host: Hosting) -> None:
    function = host.function("def handler(event, context): return 'x' * event")
    document = await host.failure(function, 6_291_556)
    assert document["errorType"] == "Function.ResponseSizeTooLarge"
    assert "6291556" in document["errorMessage"]
    fits = await host.invoke(function, 6_291_556 - 2)
    assert len(fits.payload) == 6_291_556
    assert fits.cold_start is False


async def test_an_answer_that_is_no_json(host: Hosting) -> None:
    document = await host.failure(host.function("def handler(event, context): return {1, 2}"))
    assert document["errorType"] == "Runtime.MarshalError"


async def test_an_event_that_is_no_json(host: Hosting) -> None:
    function = host.function("def handler(event, context): return event")
    invocation = await host.client.invoke(host.request(function, payload=b"{nope"))
    assert json.loads(invocation.payload)["errorType"] == "Runtime.UnmarshalError"


async def test_a_large_event_arrives_whole(host: Hosting) -> None:
    function = host.function("def handler(event, context): return len(event)", memory_mb=256)
    assert await host.answer(function, "x" * (6 * 1024 * 1024 - 2)) == 6 * 1024 * 1024 - 2
    with pytest.raises(InvocationTooLarge):
        await host.invoke(function, "x" * (6 * 1024 * 1024))


async def test_an_older_runtime_runs_on_the_nearest_newer_python(host: Hosting) -> None:
    function = host.function(
        "import sys\ndef handler(event, context): return sys.version_info[:2]", runtime="python3.6"
    )
    request = host.request(function)
    invocation = await host.client.invoke(request)
    assert json.loads(invocation.payload) >= [3, 10]
    assert b"to the requested python3.6" in invocation.log_tail


@pytest.mark.parametrize("runtime", ["nodejs22.x", "python3.19", "python2.7", "provided.al2023"])
async def test_a_runtime_that_this_machine_lacks_is_named(host: Hosting, runtime: str) -> None:
    function = host.function("def handler(event, context): return 1", runtime=runtime)
    with pytest.raises(RuntimeUnsupported, match=rf"{runtime} cannot run on this host\. Available: .*python3\.\d+"):
        await host.invoke(function)


async def test_code_that_is_missing_damaged_or_no_zip(host: Hosting) -> None:
    function = host.function("def handler(event, context): return 1")
    host.code.packages[function.code_sha256] += b"!"
    with pytest.raises(FunctionCodeUnavailable, match="damaged"):
        await host.invoke(function)
    del host.code.packages[function.code_sha256]
    with pytest.raises(FunctionCodeUnavailable):
        await host.invoke(function)
    with pytest.raises(FunctionCodeInvalid, match="unzip"):
        await host.invoke(host.packaged(b"this is no zip"))
    with pytest.raises(FunctionCodeInvalid, match="outside"):
        await host.invoke(host.packaged(package({"../escape.py": "x"})))


async def test_a_deadline_that_has_passed_and_a_context_that_is_no_json(host: Hosting) -> None:
    function = host.function("def handler(event, context): return 1")
    with pytest.raises(DeadlineExceeded):
        await host.invoke(function, deadline_ms=now_ms() - 1)
    with pytest.raises(Invalid, match="client context"):
        await host.invoke(function, client_context="{")


async def test_log_lines_have_the_form_of_aws(host: Hosting) -> None:
    function = host.function(
        "import logging, sys\nprint('loading')\n"
        "def handler(event, context):\n"
        "    print('to stdout')\n    print('to stderr', file=sys.stderr)\n"
        "    logging.getLogger().warning('to the log')\n    sys.stdout.write('no line end')",
        name="talker",
    )
    request = host.request(function)
    invocation = await host.client.invoke(request)
    await eventually(lambda: len(host.logs.messages(request.request_id)) >= 9, "the logs are shipped")
    lines = host.logs.messages(request.request_id)
    identity = request.request_id
    assert lines[0].startswith("INIT_START Runtime Version: python:3.")
    assert lines[1:3] == ["loading\n", f"START RequestId: {identity} Version: $LATEST\n"]
    assert set(lines[3:-2]) >= {"to stdout\n", "to stderr\n"}
    assert any(re.fullmatch(rf"\[WARNING\]\t[\dT:.-]+Z\t{identity}\tto the log\n", line) for line in lines)
    assert lines[-2] == f"END RequestId: {identity}\n"
    report = (
        rf"REPORT RequestId: {identity}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
        rf"Max Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\tCorrelationId: {request.correlation_id}\t\n"
    )
    assert re.fullmatch(report, lines[-1])
    records = [record for record in host.logs.records if record.request_id == identity]
    assert {record.log_group for record in records} == {"/aws/lambda/talker"}
    assert {(record.account_id, record.correlation_id) for record in records} == {
        (function.account_id, request.correlation_id)
    }
    assert len({record.id for record in host.logs.records}) == len(host.logs.records)
    assert invocation.log_tail.decode().endswith(lines[-1])
    assert (await host.invoke(function, log_tail=False)).log_tail == b""


async def test_a_log_flood_is_cut_with_a_notice(host: Hosting) -> None:
    function = host.function(
        "def handler(event, context):\n    for n in range(event): print('x' * 1000)\n    return 'done'", timeout_s=20
    )
    request = host.request(function, 12_000)
    invocation = await host.client.invoke(request)
    assert json.loads(invocation.payload) == "done"
    assert len(invocation.log_tail) <= 4096
    assert b"REPORT" in invocation.log_tail
    await eventually(
        lambda: any("log lines were dropped" in line for line in host.logs.messages(request.request_id)), "a notice"
    )
    assert sum(map(len, host.logs.messages(request.request_id))) < 8_000_000


async def test_logs_survive_a_sink_that_fails(host: Hosting) -> None:
    host.logs.failures = 1
    function = host.function("def handler(event, context): print('kept')")
    request = host.request(function)
    await host.client.invoke(request)
    await eventually(lambda: "kept\n" in host.logs.messages(request.request_id), "the line is offered again")
    assert host.logs.messages(request.request_id).count("kept\n") == 1


async def test_new_code_is_served_at_once_and_running_calls_finish(host: Hosting) -> None:
    name = f"f-{uuid.uuid4().hex[:8]}"
    old = host.function("from time import sleep\ndef handler(e, c):\n    sleep(e)\n    return 'old'", name=name)
    assert await host.answer(old, 0) == "old"
    running = asyncio.ensure_future(host.answer(old, 0.5))
    new = host.function("def handler(e, c): return 'new'", name=name)
    assert await host.answer(new, 0) == "new"
    assert await running == "old"


async def test_forget_ends_the_sandboxes_of_a_function(host: Hosting) -> None:
    function = host.function("def handler(e, c): return 1")
    await host.invoke(function)
    await host.client.forget(function.arn)
    assert (await host.invoke(function)).cold_start is True


async def test_the_aws_sdk_is_there(host: Hosting) -> None:
    function = host.function(
        "import botocore.session\n"
        "def handler(e, c): return botocore.session.get_session().create_client('sts').meta.endpoint_url",
        memory_mb=256,
        timeout_s=20,
    )
    assert await host.answer(function) == "http://127.0.0.1:9003"
