"""The prediction server: what runs in the container and behind the local endpoint."""
