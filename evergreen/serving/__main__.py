"""`AIP_STORAGE_URI=<trained-model directory> python -m evergreen.serving` serves the model until SIGTERM."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from evergreen.core.errors import EvergreenError
from evergreen.core.protocols import Predictor
from evergreen.runtime.processes import PATIENT_THREADS
from evergreen.serving.engine_trials import EngineTrials
from evergreen.serving.model import Load, bring_from, read_object
from evergreen.serving.server import serve
from evergreen.serving.settings import ServerSettings


def main(load: Load, at_end: Callable[[], None] = lambda: None) -> int:
    """The exit code: 0 stopped and drained, 1 failed, 2 bad input; the reason is one line on stderr.

    `at_end` is called before that, while `load` may still be at it.
    """
    for name, value in PATIENT_THREADS.items():
        os.environ.setdefault(name, value)  # before anything loads that computes
    try:
        return serve(ServerSettings.from_environment(os.environ), load)
    except EvergreenError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    finally:
        at_end()


def exit_now(code: int) -> None:
    """Ends the process, not the interpreter: a model half loaded holds native threads that crash in its teardown."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


def _load_task(model_dir: Path, trials: EngineTrials | None = None) -> Predictor:
    from evergreen.serving.loading import Loading  # brings the task's libraries, while the port already answers 503
    from evergreen.tasks.accelerators import check_accelerators

    check_accelerators(os.environ)
    settings = ServerSettings.from_environment(os.environ)
    bring = bring_from(settings.storage_uri)
    loading = Loading(settings.engine, settings.threads, read_object, bring, trials=trials or EngineTrials())
    return loading.predictor(model_dir)


if __name__ == "__main__":
    trials = EngineTrials.of(os.environ)
    exit_now(main(partial(_load_task, trials=trials), trials.close))
