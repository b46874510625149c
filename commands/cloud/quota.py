"""Whether the project's quotas hold the machines that a run and its endpoint ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from commands.cloud.google import Google, in_path
from commands.cloud.needs import Needs
from commands.machine import Finding
from evergreen.core.cloud import Machine

SERVICE = "aiplatform.googleapis.com"
CPU_FAMILIES = {"n1", "e2"}
"""Those whose vCPUs share one quota; of the others only the accelerators are asked after."""
MACHINE = re.compile(r"(?P<family>[a-z]\d)-[a-z]+-(?P<vcpus>\d+)")


def check_quota(google: Google, needs: Needs) -> Iterator[Finding]:
    """The quotas of training that its largest machine needs, and those of serving for all replicas.

    What only machines need that are tried after another one is a note: a run goes without them.
    """
    wanted = _most(needs.training)
    if needs.serving:
        wanted |= _of(needs.serving[0], "serving", needs.serving[1])
    for metric, amount in wanted.items():
        yield _check(google, needs.region, metric, amount)
    for metric, amount in _most(needs.training_instead).items():
        if amount > wanted.get(metric, 0):
            yield replace(_check(google, needs.region, metric, amount), note=True)


def quota_id(metric: str) -> str:
    """Google's name of the limit: …_serving_nvidia_t4_gpus → CustomModelServingT4GPUsPerProjectPerRegion."""
    _, _, use, *what = metric.split("_")
    name = "".join(part.upper() for part in what if part != "nvidia").replace("GPUS", "GPUs").replace("CPUS", "CPUs")
    return f"CustomModel{use.capitalize()}{name}PerProjectPerRegion"


def _most(machines: Iterable[Machine]) -> dict[str, int]:
    """Amounts of training by metric, of the machine that needs most of it."""
    most: dict[str, int] = {}
    for machine in machines:
        for metric, amount in _of(machine, "training", 1).items():
            most[metric] = max(amount, most.get(metric, 0))
    return most


def _of(machine: Machine, use: str, count: int) -> dict[str, int]:
    """Amounts by metric, for `count` of the machine."""
    wanted: dict[str, int] = {}
    parts = MACHINE.fullmatch(machine.machine_type)
    if parts and parts["family"] in CPU_FAMILIES:
        wanted[f"custom_model_{use}_cpus"] = int(parts["vcpus"]) * count
    if machine.accelerator_type:
        name = machine.accelerator_type.lower().replace("tesla_", "")
        wanted[f"custom_model_{use}_{name}_gpus"] = machine.accelerator_count * count
    return wanted


def _check(google: Google, region: str, metric: str, amount: int) -> Finding:
    path = f"v1beta1/projects/{google.project}/services/{SERVICE}/consumerQuotaMetrics/{in_path(f'{SERVICE}/{metric}')}"
    answer = google.find("serviceusage", path)
    limits = answer.get("consumerQuotaLimits", ()) if answer else ()
    buckets = [bucket for limit in limits for bucket in limit.get("quotaBuckets", ())]
    own = [bucket for bucket in buckets if bucket.get("dimensions", {}).get("region") == region]
    general = [bucket for bucket in buckets if not bucket.get("dimensions")]
    allowed = [int(bucket["effectiveLimit"]) for bucket in own or general if "effectiveLimit" in bucket]
    if not allowed:
        fix = f"gcloud alpha services quota list --service {SERVICE} --consumer projects/{google.project}"
        return Finding("quota", False, f"{metric}: {amount} needed, Google shows no such quota in {region}", fix)
    fine = min(allowed) < 0 or min(allowed) >= amount  # -1 is unlimited
    limit = "unlimited" if min(allowed) < 0 else f"{min(allowed):,}"
    fix = (
        f"gcloud services enable cloudquotas.googleapis.com --project {google.project}\n"
        f"gcloud beta quotas preferences create --service {SERVICE} --project {google.project} "
        f"--quota-id {quota_id(metric)} --preferred-value {amount} --dimensions region={region}"
    )
    return Finding("quota", fine, f"{metric}: {amount} needed, {limit} allowed in {region}", fix)
