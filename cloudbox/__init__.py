"""Google Cloud in a box: the interfaces that the project's real Google clients use, on loopback, for tests."""
