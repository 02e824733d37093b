"""The queue of the index: products that events have named since they were indexed."""
