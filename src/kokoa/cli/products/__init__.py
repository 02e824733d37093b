"""Files of products, read and written: what `kokoa import products` and `kokoa export products` are made of."""
