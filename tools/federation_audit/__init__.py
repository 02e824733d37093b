"""The public federation-gateway-audit, run against this project's own composer, planner and gateway."""
