"""What partners' subgraphs do to a graph: completing their SDL, what they take of it, what they change. Pure."""
