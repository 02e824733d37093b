"""Publishing subgraphs: what is checked before, what happens after, and the address that partners ask."""
