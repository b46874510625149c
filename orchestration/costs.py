"""What a run and a month of its endpoint would cost, by dated list prices; what has no price is said, never guessed.

    estimate = estimate_run(load_prices(), "us-central1", tasks, fleet)
    estimate.check(Budget(run_usd=5, endpoint_month_usd=200))

Counted are machines and accelerators, and Vertex AI's charge for a pipeline run. What else is billed, the plan names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field

from evergreen.core.base import Frozen
from evergreen.core.cloud import Fleet, Machine
from evergreen.core.errors import InputError

DIRECTORY = Path(__file__).parent / "prices"
HOURS_A_MONTH = 730.0
PROBE_REPLICAS = 1
"""Of the endpoint on which a version is asked before it gets traffic."""


class Budget(Frozen):
    """What a run, and a month of the endpoint with every replica up, may cost at most; without a number, anything."""

    run_usd: float | None = Field(default=None, gt=0)
    endpoint_month_usd: float | None = Field(default=None, gt=0)


class Shape(Frozen):
    """A machine type; `accelerators` are those that it always has, by type."""

    family: str
    vcpus: int
    memory_gib: float
    accelerators: dict[str, int] = {}


class FamilyPrices(Frozen):
    """USD an hour of one vCPU and of one GiB."""

    vcpu_hour: float
    gib_hour: float


class RegionPrices(Frozen):
    """Compute Engine's prices in one region; `accelerators` in USD an hour by Vertex AI's name of the type."""

    families: dict[str, FamilyPrices]
    accelerators: dict[str, float]


class Prices(Frozen):
    """A price list; `vertex_factor` times Compute Engine's price is Vertex AI's.

    `sources` are the pages on which Google publishes prices; `to_confirm` tells which ones here were not compared
    with them.
    """

    as_of: str
    currency: str
    sources: tuple[str, ...]
    remark: str
    to_confirm: str
    vertex_factor: float
    vertex_factor_remark: str
    pipeline_run_usd: float
    regions: dict[str, RegionPrices]
    machines: dict[str, Shape]


@dataclass(frozen=True)
class Task:
    """A step of a run; `machine` is a sentence where it is not known; `measured` tells whether `seconds` were.

    `instead` are the machines that are tried where that one is not to be had.
    """

    step: str
    machine: Machine | str
    seconds: float
    measured: bool
    instead: tuple[Machine, ...] = ()

    @property
    def machines(self) -> tuple[Machine, ...]:
        """Each that it may run on, as far as it is known."""
        return (*((self.machine,) if isinstance(self.machine, Machine) else ()), *self.instead)


@dataclass(frozen=True)
class Estimate:
    """USD; `tasks` pairs each with its cost, `month` is the endpoint's lowest and highest; None means no price.

    A task that is tried on several machines is there on the dearest of them that has a price.

    `rollout_hour` is what an hour of a rollout costs beside the endpoint, lowest and highest.

    `unpriced_run` and `unpriced_month` are sentences that tell why a part has none; `run_usd` is the rest then.
    """

    tasks: tuple[tuple[Task, float | None], ...]
    run_usd: float
    month: tuple[float, float] | None
    rollout_hour: tuple[float, float] | None = None
    unpriced_run: tuple[str, ...] = ()
    unpriced_month: tuple[str, ...] = ()

    def check(self, budget: Budget) -> None:
        """Returns when run and endpoint stay within the budget.

        Raises:
            InputError: one would not, or a missing price keeps anybody from telling.
        """
        over = []
        if budget.run_usd is not None and self.run_usd > budget.run_usd:
            over.append(f"a run would cost {self.run_usd:,.2f} USD (extra.budget.run_usd: {budget.run_usd:g})")
        limit = budget.endpoint_month_usd
        if limit is not None and self.month and self.month[1] > limit:
            over.append(
                f"a month of the endpoint up to {self.month[1]:,.2f} USD (extra.budget.endpoint_month_usd: {limit:g})"
            )
        if over:
            raise InputError(
                f"over budget: {'; '.join(over)}; choose smaller machines or fewer replicas, or raise the budget"
            )
        unpriced = [
            *(self.unpriced_run if budget.run_usd is not None else ()),
            *(self.unpriced_month if limit is not None else ()),
        ]
        if unpriced:
            raise InputError(
                f"whether extra.budget is kept cannot be told: {'; '.join(dict.fromkeys(unpriced))}; "
                "write the price into a new file of orchestration/prices, or remove the budget"
            )


def load_prices() -> Prices:
    """The newest price list, by file name."""
    return Prices.model_validate_json(max(DIRECTORY.glob("*.json")).read_text(encoding="utf-8"))


def attached_to(machine: Machine, shape: Shape | None) -> Mapping[str, int]:
    """Accelerators by type; a machine type that always has some names the same ones again."""
    attached = {machine.accelerator_type: machine.accelerator_count} if machine.accelerator_type else {}
    return {**(shape.accelerators if shape else {}), **attached}


def hourly_usd(prices: Prices, region: str, machine: Machine) -> float | str:
    """USD an hour on Vertex AI, or the sentence that tells which price is missing."""
    listed = prices.regions.get(region)
    if listed is None:
        return f"no prices of {region} (there are: {', '.join(sorted(prices.regions))})"
    shape = prices.machines.get(machine.machine_type)
    if shape is None or shape.family not in listed.families:
        return f"no price of {machine.machine_type} in {region}"
    family = listed.families[shape.family]
    usd = shape.vcpus * family.vcpu_hour + shape.memory_gib * family.gib_hour
    for kind, count in attached_to(machine, shape).items():
        if kind not in listed.accelerators:
            return f"no price of {kind} in {region}"
        usd += count * listed.accelerators[kind]
    return usd * prices.vertex_factor


def estimate_run(prices: Prices, region: str, tasks: Sequence[Task], fleet: Fleet | None) -> Estimate:
    """The cost of one run of these tasks in the region, and of a month of the endpoint; without either: nothing."""
    unpriced: dict[str, None] = {}
    priced: list[tuple[Task, float | None]] = []
    for task in tasks:
        hourly = {machine: hourly_usd(prices, region, machine) for machine in task.machines}
        lacking = [price for price in hourly.values() if isinstance(price, str)]
        unpriced |= dict.fromkeys([task.machine, *lacking] if isinstance(task.machine, str) else lacking)
        usd = {machine: price for machine, price in hourly.items() if not isinstance(price, str)}
        dearest = max(usd, key=lambda machine: usd[machine], default=None)
        priced.append((replace(task, machine=dearest), usd[dearest] * task.seconds / 3600) if dearest else (task, None))
    run_usd = sum((usd or 0.0 for _, usd in priced), prices.pipeline_run_usd if tasks else 0.0)
    if fleet is None:
        return Estimate(tuple(priced), run_usd, None, None, tuple(unpriced))
    replica = hourly_usd(prices, fleet.region, fleet.machine)
    if isinstance(replica, str):
        return Estimate(tuple(priced), run_usd, None, None, tuple(unpriced), (replica,))
    return Estimate(tuple(priced), run_usd, _month(replica, fleet), _rollout_hour(replica, fleet), tuple(unpriced))


def _rollout_hour(replica_hour: float, fleet: Fleet) -> tuple[float, float]:
    """The newcomer on its fewest replicas, and on its most; either with the one that is asked."""
    fewest, most = fleet.min_replicas + PROBE_REPLICAS, fleet.max_replicas + PROBE_REPLICAS
    return replica_hour * fewest, replica_hour * most


def _month(replica_hour: float, fleet: Fleet) -> tuple[float, float]:
    """Lowest: the first version on its fewest replicas; highest: the live one on its most and the previous one."""
    replica = replica_hour * HOURS_A_MONTH
    return replica * fleet.min_replicas, replica * (fleet.max_replicas + fleet.min_replicas)
