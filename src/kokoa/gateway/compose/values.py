"""Default values as text, so that they can be compared."""

from typing import Any

from graphql import print_ast


def default_text(value: Any) -> str:
    """The default of an argument or input field as SDL; empty without one."""
    node = value.ast_node
    return print_ast(node.default_value) if node is not None and node.default_value else ""
