"""HTML pages of artifacts, shown in the ZenML dashboard and MLflow, and the summary that a run prints.

The dashboard shows a page in a frame without script, 384 pixels high: what matters most comes first.
"""
