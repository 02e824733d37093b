"""How other systems follow orders: the feed of changes, what they call an order, what they say of it."""
