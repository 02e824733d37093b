"""The public benchmark of federated gateways: four subgraphs, one long query, and who asks them best.

    shop            the benchmark's schema, data and query; its subgraphs, built with our engine
    subgraph_app    the four subgraphs as one server, the same for every gateway
    gateway_app     Kokoa's gateway alone: no edge, no roles, subgraphs over HTTP
    floor_app       the same fetches, written by hand for this one query
    hive            Hive Gateway on Node, installed from its lock file
    contest         who is measured, in turns

Schema, data and query are those of github.com/graphql-hive/graphql-gateways-benchmark (MIT), here as Federation 2;
our inventory works out `shippingEstimate`, where the original's always answers null.
"""
