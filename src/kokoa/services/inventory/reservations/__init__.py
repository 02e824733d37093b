"""Stock that is promised: held for a while, allocated to an order, then fulfilled or released."""
