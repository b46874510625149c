"""Rows of a BigQuery table, or of a query in a file of its own."""

from evergreen.adapters.bigquery.source import BigQuerySource

__all__ = ["BigQuerySource"]
