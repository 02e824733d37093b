"""The `kokoa` command: one file a command group."""
