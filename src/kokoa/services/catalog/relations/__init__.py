"""What products have to do with each other: related products, and bundles of variants."""
