"""GraphQL documents that an environment's graph was asked lately, so that a change can be checked against them."""
