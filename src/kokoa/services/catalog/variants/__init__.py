"""Variants of a product one at a time: added, changed, removed, put in order, found by id, SKU or reference."""
