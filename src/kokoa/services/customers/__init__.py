"""Who buys: accounts and their sessions, addresses, groups, and the companies that people buy for."""
