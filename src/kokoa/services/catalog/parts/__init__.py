"""How a part of a product is changed: the product is locked, its version is checked and grows, and an event tells."""
