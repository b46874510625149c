"""Rows of a BigQuery table, or of a query in a file of its own."""
