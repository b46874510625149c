"""HTML pages of artifacts, shown in the ZenML dashboard and MLflow."""
