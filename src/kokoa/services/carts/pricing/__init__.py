"""What lines cost and whether they are there, as the environment's graph says: overrides hold for carts too."""
