"""Channels: where products are sold, which products, and for which prices."""
