"""What there is of each article, where, and what of it is promised already.

It is known by its SKU, as in every ERP. A SKU that inventory was never told of is not counted: it may always be sold.
"""
