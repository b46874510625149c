"""What the product is compared with: each the way that tutorials show."""
