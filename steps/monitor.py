"""What a window of requests says. Never cached: requests come, and labels of them later."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step
from zenml.logger import get_logger

from evergreen.adapters.kinds import AnyHost, AnySource
from evergreen.core.alerts import Alerts
from evergreen.core.monitor import DriftRules
from evergreen.core.quality import Quality
from evergreen.core.refresh import Backfill
from evergreen.core.verdict import Verdict
from evergreen.core.window import Window
from evergreen.runtime.asides import beside_the_point
from orchestration.alerting import run_link, tell
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
    with beside_the_point("the verdict in words, beside the run"):
        log_metadata({VERDICT_KEY: verdict.words})
    logger.info("version %s: %s", verdict.version, verdict.words)
    tell(model_name, alerts, news_of(verdict, run_link()), held_back=OF_THE_PAST if backfill else None)
    return verdict
