"""When a product is in the store, and what will be in it: schedules and staged changes."""
