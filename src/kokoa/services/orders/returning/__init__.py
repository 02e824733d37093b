"""What comes back of placed orders: returns, what was received of them, and money that is given back."""
