"""What somebody means to buy: carts, from their first line until they are ordered, merged or forgotten.

What an article is called, what it costs and whether it is there a cart asks of the environment's graph.
"""
