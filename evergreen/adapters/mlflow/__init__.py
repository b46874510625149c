"""MLflow: the registry that follows the record, and logging on the active run."""
