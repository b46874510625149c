"""Cloud Logging: what containers of endpoints print as log entries, and sinks that move entries into BigQuery."""
