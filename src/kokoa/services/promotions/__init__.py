"""Promotion codes: what they take off an order, for whom and when, and how often they were used."""
