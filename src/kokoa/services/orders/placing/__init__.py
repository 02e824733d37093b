"""From a cart to an order: steps that are done once each, or taken back."""
