"""ZenML's step operator on Vertex AI with a list of machines: the next one where one is not to be had.

Its custom jobs are those of ZenML's own flavor `vertex`, on Spot VMs or reservations too, which that does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zenml.integrations.gcp.flavors.vertex_step_operator_flavor import VertexStepOperatorFlavor

from orchestration.machine_settings import MachinesConfig

if TYPE_CHECKING:
    from orchestration.machine_operator import MachinesStepOperator

NAME = "vertex_machines"


class MachinesFlavor(VertexStepOperatorFlavor):
    """The flavor as ZenML registers it."""

    @property
    def name(self) -> str:
        """What a stack's file calls it."""
        return NAME

    @property
    def display_name(self) -> str:
        """What the dashboard calls it."""
        return "Vertex AI, with other machines where one is not to be had"

    @property
    def config_class(self) -> type[MachinesConfig]:
        """The configuration of a component."""
        return MachinesConfig

    @property
    def implementation_class(self) -> type[MachinesStepOperator]:
        """The operator; Google's clients are heavy to import."""
        from orchestration.machine_operator import MachinesStepOperator

        return MachinesStepOperator
