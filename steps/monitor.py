"""What a window of requests says. Never cached: requests come, and labels of them later."""

from __future__ import annotations

from typing import Annotated

from zenml import get_step_context, log_metadata, step
from zenml.logger import get_logger
from zenml.utils.dashboard_utils import get_run_url

from evergreen.adapters.kinds import AnyHost, AnySource
from evergreen.core.alerts import Alerts
from evergreen.core.monitor import DriftRules
from evergreen.core.quality import Quality
from evergreen.core.refresh import Backfill
from evergreen.core.verdict import Verdict
from evergreen.core.window import Window
from orchestration.alerting import tell
from orchestration.monitoring import Watching, news_of, verdict_on
from orchestration.runs import VERDICT_KEY

logger = get_logger(__name__)
OF_THE_PAST = "a window that was given by hand alerts nobody: whoever looks at the past reads the verdict"


@step(enable_cache=False)
def monitor(
    model_name: str,
    host: AnyHost,
    window: Window,
    drift: DriftRules,
    labels: AnySource | None,
    quality: Quality,
    backfill: Backfill | None,
    alerts: Alerts,
) -> Annotated[Verdict, "verdict"]:
    """The verdict on the champion's requests of the window; one that is no good news is an alert, but of a backfill.

    Raises:
        InputError: requests are not logged, or labels cannot be read.
        EvergreenError: there is no champion, or what keeps log or labels does not answer.
    """
    resolved = backfill.window if backfill else window.resolve()
    verdict = verdict_on(Watching(model_name, host, drift, labels, quality), resolved)
    log_metadata({VERDICT_KEY: verdict.words})
    logger.info("version %s: %s", verdict.version, verdict.words)
    news = news_of(verdict, get_run_url(get_step_context().pipeline_run))
    tell(model_name, alerts, news, held_back=OF_THE_PAST if backfill else None)
    return verdict
