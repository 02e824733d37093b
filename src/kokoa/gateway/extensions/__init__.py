"""Executing what partners add to a graph: field functions, GraphQL servers in functions and elsewhere, overrides.

Start reading at `client`.
"""
