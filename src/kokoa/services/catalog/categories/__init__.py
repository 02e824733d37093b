"""The tree of categories: places, moves and order."""
