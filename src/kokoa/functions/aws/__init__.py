"""The AWS side: one server that speaks the AWS APIs, driven by botocore's service models.

A request walks one list of steps (`app.py`): find the service, find the operation, find the key, read the
body within its bound, check the signature, parse and validate by the model, ask the provider, write the answer.
A folder a service (`lambda_`, `apigatewayv2`, `sts`, `logs`) holds its provider: a class with one async method
an operation, named as the operation in snake_case. Direction: `app → services → protocols → shapes | errors`.
"""
