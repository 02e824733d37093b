"""Requests that stayed without a result: the provider is asked what became of them."""
