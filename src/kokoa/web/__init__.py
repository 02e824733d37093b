"""ASGI pieces that every HTTP surface shares: values for requests and answers, problems, health, metrics, tokens."""
