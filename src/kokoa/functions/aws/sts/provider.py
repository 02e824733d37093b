"""The operations of AWS STS that Kokoa has."""

from collections.abc import Mapping
from typing import Any

from kokoa.functions.aws.service import RequestContext


class StsProvider:
    """Says whose key it is."""

    async def get_caller_identity(self, context: RequestContext, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """GetCallerIdentity. The ARN names partner, tenant and environment, which the key decides."""
        key = context.key
        return {
            "UserId": key.access_key_id,
            "Account": key.account_id,
            "Arn": f"arn:aws:iam::{key.account_id}:user/{key.tenant}/{key.environment}/{key.partner}",
        }
