"""Who called which of Google's methods, and whether the roles that a guide grants allow it."""
