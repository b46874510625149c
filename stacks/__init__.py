"""Stacks as files, and the command that registers them."""
