"""The gateway: many subgraphs, one graph.

    compose   subgraph SDLs → supergraph, or every reason why not    (pure)
    plan      operation + supergraph → fetches and how they depend    (pure)
    execute   runs a plan and joins what the subgraphs answer
    app       what the rest of Kokoa talks to

Start reading at `supergraph`, the model that all of them share (docs/explanation/gateway.md).
"""
