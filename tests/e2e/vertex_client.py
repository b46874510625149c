"""Asks a Vertex AI endpoint every 50 ms through Google's SDK until SIGTERM; then prints what it saw as one JSON object.

`python -m tests.e2e.vertex_client MODEL [INSTANCES [SECONDS]]`: a file with a JSON list; how long to wait instead
→  {"answered": 812, "failures": [], "labels": ["Sports"], "turns": 96, "versions": {"36df30fb3710": 812}}

`turns` counts how often an answer came from another version than the one before it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from threading import Event

from google.cloud import aiplatform

INTERVAL_S = 0.05
ROWS = [{"text": "The striker scored twice in the final"}]


def main(model: str, instances: str | None = None, interval_s: str = str(INTERVAL_S)) -> None:
    rows = cycle(json.loads(Path(instances).read_text(encoding="utf-8")) if instances else ROWS)
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    aiplatform.init(project=os.environ["GOOGLE_CLOUD_PROJECT"], location=os.environ["GOOGLE_CLOUD_REGION"])
    (endpoint,) = aiplatform.Endpoint.list(filter=f'labels.evergreen_model="{model}"')
    versions: Counter[str] = Counter()
    failures, labels, turns, last = [], set(), 0, ""
    sys.stdout.write("asking\n")
    sys.stdout.flush()
    while not stop.is_set():
        began = time.monotonic()
        try:
            answer = endpoint.predict(instances=[next(rows)], use_dedicated_endpoint=True)
        except Exception as error:  # whatever a client may meet is what is looked for
            failures.append(repr(error))
        else:
            versions[dict(answer.metadata or {})["model_version"]] += 1
            labels.add(answer.predictions[0]["label"])
            turns += int(last not in ("", answer.deployed_model_id))
            last = answer.deployed_model_id
        stop.wait(max(0.0, float(interval_s) - (time.monotonic() - began)))
    seen = {"answered": versions.total(), "failures": failures, "labels": sorted(labels), "turns": turns}
    seen |= {"versions": versions}
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
