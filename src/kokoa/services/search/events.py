"""search tells others nothing yet; it listens to catalog."""
