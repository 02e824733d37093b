"""CloudWatch Logs: reading what functions wrote."""
