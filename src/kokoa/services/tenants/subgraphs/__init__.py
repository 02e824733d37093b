"""Subgraphs that partners publish: which are live in an environment, every version of each, and what was granted."""
