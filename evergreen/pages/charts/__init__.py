"""Inline SVG charts: each function takes values and gives back a drawing that a template can place."""
