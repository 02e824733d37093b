"""What all parts of a product have in common: their change is a change of the product, with version and event."""
