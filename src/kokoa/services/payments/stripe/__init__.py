"""Stripe as a payment provider: cards, by PaymentIntents that are captured by hand."""
