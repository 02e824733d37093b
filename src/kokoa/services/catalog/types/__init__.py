"""Product types: typed attributes of products and variants, and the options by which variants differ."""
