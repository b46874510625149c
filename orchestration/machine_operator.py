"""The step operator that works through a list of machines; it runs in the step's pipeline task on Vertex AI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from zenml.client import Client
from zenml.enums import ExecutionStatus
from zenml.integrations.gcp.step_operators.vertex_step_operator import (
    STEP_JOB_NAME_METADATA_KEY,
    VERTEX_DOCKER_IMAGE_KEY,
    VertexStepOperator,
)
from zenml.integrations.gcp.utils import build_job_request
from zenml.logger import get_logger
from zenml.orchestrators.publish_utils import publish_step_run_metadata, step_exception_info
from zenml.utils.exception_utils import collect_exception_information

from evergreen.core.errors import EvergreenError
from evergreen.tasks.accelerators import GIVEN
from orchestration.attempts import Attempts
from orchestration.machine_lists import RESERVATION_KEY, SPECIFIC_RESERVATION, SPOT, MachineChoice
from orchestration.machine_settings import MachinesSettings
from orchestration.machines import accelerators_on
from orchestration.notes import MACHINES_KEY

if TYPE_CHECKING:
    from zenml.config.step_run_info import StepRunInfo
    from zenml.models import StepRunResponse

logger = get_logger(__name__)


class MachinesStepOperator(VertexStepOperator):
    """ZenML's own, whose `submit` and `wait` go on to the next machine."""

    _attempts: Attempts | None = None

    @property
    def settings_class(self) -> type[MachinesSettings]:
        """What a step may set."""
        return MachinesSettings

    def submit(self, info: StepRunInfo, entrypoint_command: list[str], environment: dict[str, str]) -> None:
        """Starts the step's custom job on the first machine for which one is taken.

        Raises:
            EvergreenError: none of them is to be had.
        """
        settings = cast(MachinesSettings, self.get_settings(info))
        machines = settings.machines or (_of(settings, info.config.resource_settings.gpu_count),)
        job = build_job_request(
            display_name=f"{info.run_name}-{info.pipeline_step_name}",
            image=info.get_image(key=VERTEX_DOCKER_IMAGE_KEY),
            entrypoint_command=entrypoint_command,
            custom_job_settings=settings,
            resource_settings=info.config.resource_settings,
            environment=environment,
            labels={"source": "evergreen"},
            encryption_spec_key_name=self.config.encryption_spec_key_name,
            service_account=self.config.service_account,
            network=self.config.network,
        )
        parent = f"projects/{self.gcp_project_id}/locations/{self.config.region}"
        self._attempts = Attempts(
            self.get_job_service_client, parent, machines, lambda machine: job_on(job, machine, machines[0])
        )
        self._submit(self._attempts, info.step_run)
        info.force_write_logs()

    def get_status(self, step_run: StepRunResponse) -> ExecutionStatus:
        """The status of the step's job; one that waits for its machine in vain has failed."""
        status = super().get_status(step_run)
        if status == ExecutionStatus.PROVISIONING and self._attempts is not None:
            name = str(step_run.run_metadata[STEP_JOB_NAME_METADATA_KEY])
            return ExecutionStatus.FAILED if self._attempts.waits_in_vain(name) else status
        return status

    def wait(self, step_run: StepRunResponse) -> ExecutionStatus:
        """How the step ended, on whichever machine.

        Raises:
            EvergreenError: its code never began, or was ended from outside; in Google's words.
        """
        while True:
            status = super().wait(step_run)
            if status != ExecutionStatus.FAILED or self._attempts is None:
                return status
            if Client().get_run_step(step_run.id, hydrate=False).status.is_finished:
                return status  # its own code has told ZenML how it ended
            with _kept():
                self._attempts.after_failure(str(step_run.run_metadata[STEP_JOB_NAME_METADATA_KEY]))
            self._submit(self._attempts, step_run)

    def _submit(self, attempts: Attempts, step_run: StepRunResponse) -> None:
        with _kept():
            name = attempts.submit()
        logger.info("custom job %s on %s", name, attempts.machine)
        self._publish(step_run, {STEP_JOB_NAME_METADATA_KEY: name, MACHINES_KEY: attempts.history()})
        step_run.run_metadata[STEP_JOB_NAME_METADATA_KEY] = name  # as ZenML's own does: `wait` reads it there

    def _publish(self, step_run: StepRunResponse, metadata: dict[str, Any]) -> None:
        publish_step_run_metadata(step_run.id, {self.id: metadata})


@contextmanager
def _kept() -> Iterator[None]:
    """A block whose error ZenML keeps with the step, as it does of a step's own code alone."""
    try:
        yield
    except EvergreenError as error:
        step_exception_info.set(collect_exception_information(error))
        raise


def job_on(job: dict[str, Any], machine: MachineChoice, first: MachineChoice) -> dict[str, Any]:
    """The job, as ZenML asks for it of the list's first machine, on this one."""
    spec = job["job_spec"]
    (pool,) = spec["worker_pool_specs"]
    wanted: dict[str, Any] = {"machine_type": machine.machine_type}
    if machine.accelerator_type:
        wanted |= {
            "accelerator_type": machine.accelerator_type,
            "accelerator_count": machine.accelerator_count,
        }
    if machine.reservation:
        wanted["reservation_affinity"] = {
            "reservation_affinity_type": SPECIFIC_RESERVATION,
            "key": RESERVATION_KEY,
            "values": [machine.reservation],
        }
    scheduling = {"scheduling": {"strategy": SPOT}} if machine.spot else {}
    container = _with_own_accelerators(
        pool.get("container_spec", {}), accelerators_on(machine.machine), accelerators_on(first.machine)
    )
    chosen = {**pool, "machine_spec": wanted, "container_spec": container}
    on_machine = {**job, "job_spec": {**spec, "worker_pool_specs": [chosen], **scheduling}}
    return {**on_machine, "encryption_spec": _encryption(on_machine.pop("encryption_spec", {}))}


def _encryption(of_zenml: dict[str, str]) -> dict[str, str] | None:
    """The key that encrypts the job; None: it has none, which an empty one would not say.

    ZenML spells the field as JSON does, and Google's message types drop what they do not know below their first level.
    """
    key = of_zenml.get("kmsKeyName")
    return {"kms_key_name": key} if key else None


def _with_own_accelerators(container: dict[str, Any], asked: str, of_first: str) -> dict[str, Any]:
    """The container, told which accelerators this very machine gives it instead of those of the list's first.

    What else it is told is somebody's own word (EVERGREEN_ACCELERATORS of whoever submitted it), and stays.
    """
    replaced = {"name": GIVEN, "value": of_first}
    environment = [
        {**variable, "value": asked} if variable == replaced else variable for variable in container.get("env", [])
    ]
    return {**container, "env": environment} if environment else container


def _of(settings: MachinesSettings, gpus: int | None) -> MachineChoice:
    """The one machine of settings without a list; `gpus` is what the step asks for as a resource."""
    return MachineChoice(
        machine_type=settings.machine_type,
        accelerator_type=settings.accelerator_type,
        accelerator_count=(gpus or settings.accelerator_count) if settings.accelerator_type else 0,
    )
