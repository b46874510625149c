"""Rows that repeat others: equal rows have equal keys; nearly equal texts share word pairs, pictures a likeness."""
