"""Composition: subgraph SDLs → an immutable supergraph. Pure: text in, value out. Start reading at `composer`."""

from kokoa.gateway.compose.composer import compose, content_hash
from kokoa.gateway.compose.errors import CompositionFailed, Problem
from kokoa.gateway.compose.supergraph_sdl import print_supergraph

__all__ = ["CompositionFailed", "Problem", "compose", "content_hash", "print_supergraph"]
