"""The test provider: a bank with books of its own, that does whatever the payment method's token says."""
