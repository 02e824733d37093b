"""New carts: what opens them, and the same request twice."""
