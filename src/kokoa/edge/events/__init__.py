"""The shapes in which functions receive HTTP requests and answer them."""
