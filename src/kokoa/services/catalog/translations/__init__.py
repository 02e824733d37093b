"""Texts of products and categories in other locales, and what both say to search engines."""
