"""The companies that people buy for, and who may do what in them."""
