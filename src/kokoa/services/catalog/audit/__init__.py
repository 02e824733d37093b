"""Who changed what of a product, when."""
