"""The function host: a process that runs partners' functions in real sandboxes, one invocation at a time in each."""
