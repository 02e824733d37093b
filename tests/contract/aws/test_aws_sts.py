"""STS with real boto3, and the real aws command line."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from clients import zipped

AWS = Path(sys.executable).with_name("aws")


async def test_a_key_says_whose_it_is(endpoint: Any, key: Any) -> None:
    identity = await endpoint.client("sts", key).get_caller_identity()
    assert identity["Account"] == key.account_id
    assert identity["Arn"] == f"arn:aws:iam::{key.account_id}:user/boeing/prod/acme"
    assert identity["UserId"] == key.access_key_id


async def test_the_aws_command_line_deploys_waits_invokes_and_routes(endpoint: Any, key: Any, tmp_path: Path) -> None:
    (tmp_path / "fn.zip").write_bytes(zipped(handler__py="def handler(event, context):\n    return event\n"))

    async def aws(*arguments: str) -> Any:
        process = await asyncio.create_subprocess_exec(
            AWS,
            *arguments,
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "AWS_ENDPOINT_URL": endpoint.url,
                "AWS_ACCESS_KEY_ID": key.access_key_id,
                "AWS_SECRET_ACCESS_KEY": key.secret,
                "AWS_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, error = await process.communicate()
        assert process.returncode == 0, error.decode()
        return json.loads(out) if out.strip().startswith(b"{") else out.decode().strip()

    create = ["lambda", "create-function", "--function-name", "hello", "--runtime", "python3.11"]
    create += ["--handler", "handler.handler", "--zip-file", "fileb://fn.zip"]
    create += ["--role", "arn:aws:iam::000000000000:role/any", "--query", "FunctionArn", "--output", "text"]
    arn = await aws(*create)
    await aws("lambda", "wait", "function-active-v2", "--function-name", "hello")
    invoke = ["lambda", "invoke", "--function-name", "hello", "--payload", '{"rawQueryString":"q=lamp"}']
    await aws(*invoke, "--cli-binary-format", "raw-in-base64-out", "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == {"echo": {"rawQueryString": "q=lamp"}}
    permit = ["lambda", "add-permission", "--function-name", "hello", "--statement-id", "web"]
    await aws(*permit, "--action", "lambda:InvokeFunction", "--principal", "apigateway.amazonaws.com")
    api = await aws(
        *("apigatewayv2", "create-api", "--name", "hello", "--protocol-type", "HTTP"),
        *("--route-key", "GET /api/search", "--target", arn, "--query", "ApiId", "--output", "text"),
    )
    [route] = await endpoint.plane.routes.routes_of(key.environment_id)
    assert (route.api_id, route.permitted) == (api, True)
    await aws("apigatewayv2", "delete-api", "--api-id", api)
    assert await endpoint.plane.routes.routes_of(key.environment_id) == []
