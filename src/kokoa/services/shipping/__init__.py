"""How goods may be sent where, for how much, and how long it takes."""
