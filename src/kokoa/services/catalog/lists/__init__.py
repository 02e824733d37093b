"""Lists of products: filter, sort, pages and connections."""
