"""catalog owns what is for sale (products, variants, prices, categories) and the countries that a store serves."""
