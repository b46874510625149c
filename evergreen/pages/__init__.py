"""HTML pages of artifacts, shown in the ZenML dashboard and MLflow, and the summary that a run prints.

The dashboard shows a page in a frame without script, 384 pixels high: what matters most comes first.
"""

from evergreen.pages.curl import curl_command
from evergreen.pages.curves import curves_page
from evergreen.pages.data import dataset_page, identity_page, split_page, validation_page
from evergreen.pages.evaluation import evaluation_page
from evergreen.pages.outcome import decision_page, deployment_page
from evergreen.pages.terminal import terminal_summary

__all__ = [
    "curl_command",
    "curves_page",
    "dataset_page",
    "decision_page",
    "deployment_page",
    "evaluation_page",
    "identity_page",
    "split_page",
    "terminal_summary",
    "validation_page",
]
