"""One sandbox: how it is spawned, what it may do, what it may use, how it ends."""
