"""The control plane: which functions, permissions, HTTP APIs and logs an account has. It owns the schema `functions`.

A service of the usual anatomy (model, errors, events, queries, store, actions), without a graph of its own: the
AWS APIs (`functions.aws`) are its rim. Beside it: access keys and temporary credentials, the store of code
packages, and the read model of extension routes that the edge follows.
"""
