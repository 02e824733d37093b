"""Composition roots: what runs in which process. The only place that knows everybody."""
