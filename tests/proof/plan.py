"""What is run in the project, on which machines for how long, and what that costs by the dated price list.

The two published systems run as `configs/prod.yaml` and `configs/pets_prod.yaml` have them, but small: one replica, few
rows, one epoch, nothing on the Hub, and in folders, tables and names of the proof's own. Nothing comes from cache: a
proof of some other day would prove nothing of today's machines.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evergreen.core.cloud import Machine
from evergreen.core.errors import InputError
from orchestration.costs import Prices, hourly_usd
from tests.proof.cassettes import FILE

ROOT = Path(__file__).parents[2]
MOST_USD = 5.0
ENVIRONMENT = "proof"
LABEL = "evergreen_proof"
FOLDER = "${EVERGREEN_BUCKET}/proof"
TABLE = "news.proof"
MODELS = {"prod.yaml": "proof-news", "pets_prod.yaml": "proof-pets"}
CONTRACT_MODEL = "contract"
PICTURES = 160
LABEL_NAMES = "business=Business,entertainment=World,politics=World,sports=Sports,tech=Sci/Tech"
TASK, SERVER, TRAINER = (
    Machine("e2-standard-4"),
    Machine("n1-standard-4"),
    Machine("n1-standard-8", "NVIDIA_TESLA_T4", 1),
)
RECORDED = (sys.executable, "-m", "tests.proof.recorder", str(FILE))


@dataclass(frozen=True)
class Stage:
    """Commands in order, and hours of machines that Google bills for them; a `gate` that fails ends the proof."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    hours: tuple[tuple[Machine, float], ...] = ()
    gate: bool = False

    def usd(self, prices: Prices, region: str) -> float:
        """What its machines cost.

        Raises:
            InputError: one has no price.
        """
        total = 0.0
        for machine, hours in self.hours:
            hourly = hourly_usd(prices, region, machine)
            if isinstance(hourly, str):
                raise InputError(f"what the proof costs cannot be told: {hourly}; choose a region that is listed")
            total += hours * hourly
        return total


def stages(folder: Path) -> tuple[Stage, ...]:
    """All stages; the small configurations lie in `folder`."""
    news, pets = (str(folder / name) for name in MODELS)
    run = (*RECORDED, "run.py")
    raw = f"{FOLDER}/pets/raw"
    articles = ("--from", "local.yaml", "--days", "2", "--share", "0.1", "--label-names", LABEL_NAMES)
    return (
        Stage("doctor", ((*run, "doctor", "--config", news), (*run, "doctor", "--config", pets)), gate=True),
        Stage("contract", ((sys.executable, "-m", "pytest", "-q", "-m", "gcp"),), ((SERVER, 8.0),)),
        Stage(
            "news",
            (
                (*run, "prepare", "--config", news, *articles),
                (*run, "--config", news, "--no-cache"),
                (*run, "predict", "--config", news, "The striker scored twice in the cup final"),
                (*run, "teardown", "--config", news),
            ),
            ((TASK, 1.5), (SERVER, 1.5)),
        ),
        Stage(
            "pets",
            (
                (sys.executable, "-m", "tests.proof.pictures", raw, str(PICTURES)),
                (*run, "prepare", "--config", pets),
                (*run, "--config", pets, "--no-cache"),
                (*run, "teardown", "--config", pets),
            ),
            ((TASK, 1.5), (SERVER, 1.5), (TRAINER, 0.75)),
        ),
    )


def priced(planned: Sequence[Stage], prices: Prices, region: str) -> tuple[list[str], float]:
    """The plan in lines, and its price in USD.

    Raises:
        InputError: it costs more than a proof may, or that cannot be told.
    """
    lines, total = [], 0.0
    for stage in planned:
        usd = stage.usd(prices, region)
        total += usd
        machines = ", ".join(f"{hours:g} h {machine}" for machine, hours in stage.hours) or "no machine"
        lines.append(f"{stage.name:<10} {machines:<70} {usd:>6.2f} USD")
    basis = f"by list prices of {prices.as_of} in {region}, without storage and network"
    lines.append(f"{'all':<10} {basis:<70} {total:>6.2f} USD")
    if total > MOST_USD:
        raise InputError(
            f"the proof would cost {total:.2f} USD in {region} (allowed: {MOST_USD:g}); choose another region"
        )
    return lines, total


def write_small(folder: Path) -> None:
    """The small configurations, by the names of those that they are made of."""
    for name in MODELS:
        text = (ROOT / "configs" / name).read_text("utf-8")
        (folder / name).write_text(yaml.safe_dump(small(name, yaml.safe_load(text)), sort_keys=False), "utf-8")


def small(name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as a proof runs it, `${NAME}` unfilled."""
    changed = {**_without(document, {"secrets"}), "run_name": f"{MODELS[name]}-{{date}}-{{time}}"}
    parameters = {**document["parameters"], "model_name": MODELS[name], "rollout": {"shares": [10], "hold_s": 10}}
    parameters.pop("publish", None)
    host = {**parameters["host"], "environment": ENVIRONMENT, "min_replicas": 1, "max_replicas": 1}
    parameters["host"] = {**host, "staging": f"{FOLDER}/models"}
    parameters["task"] = {**_without(parameters["task"], {"token_env"}), "epochs": 1}
    parameters["gate"] = {"minimum": {next(iter(parameters["gate"]["minimum"])): 0.0}}
    settings = dict(document["settings"])
    settings["orchestrator.vertex"] = {**settings["orchestrator.vertex"], "labels": {LABEL: "1"}}
    if name == "prod.yaml":
        parameters["source"] = {**parameters["source"], "table": TABLE}
        parameters["refresh"] = {"data": "all"}  # whatever an earlier proof trained on
    else:
        parameters["source"] = {**parameters["source"], "path": f"{FOLDER}/pets/prepared"}
        prepare = parameters["prepare"]
        origin = {**prepare["origin"], "path": f"{FOLDER}/pets/raw/*.tfrec"}
        machines = {step: tried[:1] for step, tried in document["extra"]["machines"].items()}  # those with a price told
        parameters["prepare"] = {**prepare, "origin": origin, "runner": {"kind": "local"}}
        changed["extra"] = {**document["extra"], "machines": machines}
    return {**changed, "parameters": parameters, "settings": settings}


def _without(document: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in set(names)}
