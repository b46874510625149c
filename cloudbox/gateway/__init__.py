"""The box's network: proxies that lead Google's host names to its services and refuse all others, and small APIs."""
