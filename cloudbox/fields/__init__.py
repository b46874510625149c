"""What Google documents of each request field, and the guard that holds every call of the box to it."""
