"""Fields that an environment declares for itself: definitions, the schema made of them, values."""
