"""What becomes of an order after it was placed: parts of it leave, or what is left of it is cancelled."""
