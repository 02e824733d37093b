"""What every layer shares: errors, ids, money, clock, calls and settings. No I/O, no dependencies on other layers."""
