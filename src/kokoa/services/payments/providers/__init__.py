"""Who moves the money: one interface, and how an environment uses each provider."""
