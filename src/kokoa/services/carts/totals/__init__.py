"""What a cart costs in the end: delivery, promotion codes and taxes, as the graph says them."""
