"""Generated graphs, split over subgraphs at random, and the same graphs as monoliths to compare with.

blueprint   a graph, and which subgraph answers what, by which keys and requirements
sdl         the blueprint as SDL: one text for each subgraph, one for the monolith
world       the data: a hash decides each value, so that everybody sees the same
executors   the monolith, the subgraphs (which refuse what they must not be asked) and the gateway before them
operations  random operations for a graph
features    what a case exercises
cases       a seed → a case → the first difference, shrunk
"""
