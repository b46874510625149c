"""The endpoint of a model on Vertex AI, and what its request log in BigQuery says, for one configuration:

python -m tests.e2e.vertex_log ask CONFIG INSTANCES   # a file with a JSON list
{"began": "2026-05-03T09:30:00+00:00", "answers": [["36df…", {"label": "sports", …}], …]}

python -m tests.e2e.vertex_log versions CONFIG START END
{"36df30fb3710": 412, "9c41d2ab77e0": 275}
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from google.cloud import aiplatform

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.members import host_of
from orchestration.configuration import load
from pipelines.training import training
from tests.days import minute_of_its_own
from tests.noted import rows
from tests.waiting import wait_until

AHEAD = timedelta(minutes=5)
LOOK_EVERY_S = 2.0


class Log:
    """The request log of the configuration's endpoint, read by the product's own reader."""

    def __init__(self, config: str) -> None:
        given = load(Path(config), training).parameters
        self.model = given.model_name
        self._log = host_of(given.host).request_log(self.model, Path(tempfile.gettempdir()))

    def rows(self, start: datetime, end: datetime | None = None) -> list[dict[str, Any]]:
        """All rows from `start` on; none where no sink has made the table yet."""
        return rows(self._log, ResolvedWindow(start=start, end=end or datetime.now(UTC) + AHEAD))


def ask(config: str, instances: str) -> dict[str, Any]:
    """What the endpoint answers through Google's SDK, once the log holds all of it."""
    log = Log(config)
    aiplatform.init(project=os.environ["GOOGLE_CLOUD_PROJECT"], location=os.environ["GOOGLE_CLOUD_REGION"])
    (endpoint,) = aiplatform.Endpoint.list(filter=f'labels.evergreen_model="{log.model}"')
    began = minute_of_its_own(lambda since: len(log.rows(since)))
    answers = []
    for instance in json.loads(Path(instances).read_text(encoding="utf-8")):
        answer = endpoint.predict(instances=[instance], use_dedicated_endpoint=True)
        answers.append((dict(answer.metadata or {})["trace_id"], answer.predictions[0]))
    wait_until(lambda: len(log.rows(began)) >= len(answers), timeout_s=60, every_s=LOOK_EVERY_S)
    return {"began": began.isoformat(), "answers": answers}


def versions(config: str, start: str, end: str) -> dict[str, int]:
    """How many requests of a stretch of time each version answered."""
    noted = Log(config).rows(datetime.fromisoformat(start), datetime.fromisoformat(end))
    return Counter(row["version"] for row in noted)


if __name__ == "__main__":
    verb, *given = sys.argv[1:]
    said = ask(*given) if verb == "ask" else versions(*given)
    sys.stdout.write("\n" + json.dumps(said) + "\n")
