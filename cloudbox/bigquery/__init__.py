"""BigQuery in the box: datasets, tables, jobs and the Storage Read API on DuckDB, for the unmodified clients.

SQL is carried from BigQuery's dialect to DuckDB's by sqlglot; what cannot be carried is refused, never approximated.
"""
