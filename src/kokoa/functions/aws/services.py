"""The services of the AWS endpoint, each with its provider. Adding a service is a folder and a line here."""

import platform

from kokoa.functions.aws.apigatewayv2 import definition as apigatewayv2
from kokoa.functions.aws.apigatewayv2.provider import ApiGatewayProvider
from kokoa.functions.aws.app import AwsServices
from kokoa.functions.aws.lambda_ import definition as lambda_
from kokoa.functions.aws.lambda_.provider import LambdaProvider
from kokoa.functions.aws.logs import definition as logs
from kokoa.functions.aws.logs.provider import LogsProvider
from kokoa.functions.aws.service import AwsService
from kokoa.functions.aws.sts import definition as sts
from kokoa.functions.aws.sts.provider import StsProvider
from kokoa.functions.control.model import ARCHITECTURES
from kokoa.functions.control.service import ControlPlane
from kokoa.functions.dispatch import Dispatcher


def aws_services(
    plane: ControlPlane, dispatcher: Dispatcher, *, architecture: str = "", concurrency: int = 32
) -> AwsServices:
    """architecture: of this store's function hosts, x86_64 or arm64; empty for this machine's.

    concurrency: what an account may run at once.
    """
    architecture = architecture or ARCHITECTURES.get(platform.machine(), "x86_64")
    functions = LambdaProvider(
        plane.functions, plane.function_actions, dispatcher, architecture=architecture, concurrency=concurrency
    )
    return AwsServices(
        [
            AwsService(lambda_.DEFINITION, functions),
            AwsService(apigatewayv2.DEFINITION, ApiGatewayProvider(plane.apis, plane.api_actions)),
            AwsService(sts.DEFINITION, StsProvider()),
            AwsService(logs.DEFINITION, LogsProvider(plane.logs)),
        ]
    )
