"""What codes take off an order."""
