"""What was bought: orders, and the durable process that makes one of a cart, whatever crashes meanwhile."""
