"""What is to be paid, and everything that ever happened to the money: authorised, charged, refunded, cancelled.

The ledger of a payment is append-only; amounts and states are derived from it by a pure rule. Whoever moves the money
is a provider behind one interface (`providers/model.py`).
"""
