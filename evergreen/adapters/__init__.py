"""The outside world, one module or package per system."""
