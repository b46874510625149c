"""What a step may set of the step operator that works through a list of machines."""

from __future__ import annotations

from zenml.integrations.gcp.flavors.vertex_step_operator_flavor import (
    VertexStepOperatorConfig,
    VertexStepOperatorSettings,
)

from orchestration.machine_lists import MachineChoice


class MachinesSettings(VertexStepOperatorSettings):
    """Settings of `vertex`, and `machines`: tried in their order, instead of `machine_type` and its accelerators."""

    machines: tuple[MachineChoice, ...] = ()


class MachinesConfig(VertexStepOperatorConfig, MachinesSettings):
    """Configuration of `vertex`."""
