"""What all of Google's services have in common for whoever calls them."""
