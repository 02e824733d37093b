"""The answer to a request for an AWS service that is not here, in a shape that its client can read."""

from collections.abc import Sequence

import orjson

from kokoa.functions.aws.http import Answer, RequestHead
from kokoa.functions.aws.protocols import xml


def refuse_unknown_service(signing_name: str, known: Sequence[str], head: RequestHead, request_id: str) -> Answer:
    """501 with an error that names the service; 403 for a request that is not signed at all."""
    if not signing_name:
        code, status = "MissingAuthenticationTokenException", 403
        message = "Missing Authentication Token: sign the request with your access key (Signature Version 4)."
    else:
        code, status = "NotImplementedException", 501
        message = (
            f"This AWS endpoint does not serve {signing_name[:60]!r} yet. It serves {', '.join(known)}. "
            "docs/reference/aws-api.md lists the operations."
        )
    headers = [(b"x-amzn-requestid", request_id.encode()), (b"x-amzn-errortype", code.encode())]
    form = head.header(b"content-type").startswith("application/x-www-form-urlencoded")
    if signing_name == "s3" or form:
        error = xml.element("Code", code) + xml.element("Message", xml.text(message))
        body = xml.element("Error", error)
        body = body if signing_name == "s3" else xml.element("ErrorResponse", body)
        return Answer(status, body.encode(), (*headers, (b"content-type", b"text/xml")))
    content = orjson.dumps({"__type": code, "message": message})
    return Answer(status, content, (*headers, (b"content-type", b"application/json")))
