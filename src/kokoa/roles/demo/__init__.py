"""The demo tenant: a small shop with our own words, a partner with keys, and a grant; seeded by `kokoa up`."""

from kokoa.roles.demo.seed import seed_demo

__all__ = ["seed_demo"]
