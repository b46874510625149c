"""Waits until the newest run of a schedule on Vertex AI has ended: `python -m tests.e2e.firing SCHEDULE` prints how."""

from __future__ import annotations

import os
import sys
import time

from google.cloud import aiplatform_v1 as v1

STATES = v1.PipelineState
ENDED = {STATES.PIPELINE_STATE_SUCCEEDED, STATES.PIPELINE_STATE_FAILED, STATES.PIPELINE_STATE_CANCELLED}
LOOK_EVERY_S = 2.0


def main(schedule: str) -> None:
    region = os.environ["GOOGLE_CLOUD_REGION"]
    client = v1.PipelineServiceClient(client_options={"api_endpoint": f"{region}-aiplatform.googleapis.com"})
    parent = schedule.rpartition("/schedules/")[0]
    fired = [job for job in client.list_pipeline_jobs(parent=parent) if job.schedule_name == schedule]
    newest = max(fired, key=lambda job: job.create_time)
    while newest.state not in ENDED:
        time.sleep(LOOK_EVERY_S)
        newest = client.get_pipeline_job(name=newest.name)
    sys.stdout.write(f"{newest.state.name}\n")


if __name__ == "__main__":
    main(sys.argv[1])
