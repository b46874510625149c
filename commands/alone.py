"""A run that nothing but its own result is told of: batch prediction, monitoring, evaluation."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from commands.console import quiet_zenml
from commands.project import Configured
from commands.started import stopped_with_this_command
from commands.watching import run_pipeline

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse


def run_alone(project: Configured, args: argparse.Namespace) -> PipelineRunResponse | None:
    """The finished run of the project's pipeline, none of whose steps is answered from cache; None where nothing waits
    for it, which was said.

    Raises:
        InputError, EvergreenError: what the step that failed raised.
    """
    from commands.stop import again, model_arguments
    from orchestration.endpoints import state_directory
    from orchestration.locks import run_lock
    from orchestration.runs import run_failure, run_name
    from orchestration.specifications import removing_specifications

    name = run_name(project.configuration.document, args.run_name, project.pipeline.name)
    try:
        with (
            quiet_zenml(debug=args.debug),
            stopped_with_this_command(project, name, detach=args.detach),
            run_lock(state_directory(), project.model_name, name, again(project, None), project.pipeline.name),
            removing_specifications(),
        ):
            run = run_pipeline(project, name, use_cache=False)
    except RuntimeError as error:  # all that an orchestrator elsewhere says of a step that failed
        raise run_failure(project.model_name, name, error) from error
    if run is None:
        print(f"nothing waits for the run; see: python run.py status {model_arguments(project)}")
    return run
