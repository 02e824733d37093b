"""API Gateway v2: HTTP APIs, whose routes are served on the store's own domain."""
