"""Beam's own runner without processes of its own, whose start takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from evergreen.preparation import runners


@contextmanager
def in_this_process() -> Iterator[None]:
    """Local preparations within the block run in this process."""
    options = PipelineOptions(flags=[], runner=runners.LOCAL_RUNNER, direct_running_mode="in_memory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runners.LocalRunner, "options", lambda *_: options)
        yield
