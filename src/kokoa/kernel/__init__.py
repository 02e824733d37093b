"""What every layer shares: errors, ids, money, clock, calls. No I/O, no imports of other layers."""
