"""Costs by a price list: known ones to the cent, unknown ones said, a budget held."""

from __future__ import annotations

import datetime

import pytest
from pydantic import ValidationError

from evergreen.core.cloud import Fleet, Machine
from evergreen.core.errors import InputError
from orchestration.costs import DIRECTORY, Budget, Prices, Task, estimate_run, hourly_usd, load_prices

REGION = "us-central1"
PRICES = load_prices()
SMALL = Machine("n1-standard-4")
HOUR = 3600.0


@pytest.mark.parametrize(
    ("machine", "usd"),
    [
        (SMALL, 0.21849885),  # as Vertex AI's price page lists it
        (Machine("e2-standard-4"), 0.15413),
        (Machine("n2-standard-4"), 0.22337),
        (Machine("n1-standard-4", "NVIDIA_TESLA_T4", 1), 0.2185 + 0.4025),
        (Machine("n1-standard-8", "NVIDIA_TESLA_V100", 2), 0.4370 + 2 * 2.852),
        (Machine("g2-standard-4"), 0.8129),
        (Machine("g2-standard-4", "NVIDIA_L4", 1), 0.8129),  # the one that it has anyway
    ],
)
def test_an_hour_costs_what_the_list_says(machine: Machine, usd: float) -> None:
    assert hourly_usd(PRICES, REGION, machine) == pytest.approx(usd, rel=1e-3)


@pytest.mark.parametrize(
    ("region", "machine", "sentence"),
    [
        (REGION, Machine("m3-ultramem-32"), "no price of m3-ultramem-32 in us-central1"),
        (REGION, Machine("n1-standard-4", "NVIDIA_B200", 1), "no price of NVIDIA_B200 in us-central1"),
        ("europe-west4", Machine("g2-standard-4"), "no price of g2-standard-4 in europe-west4"),
        ("moon-west1", SMALL, "no prices of moon-west1 (there are: europe-west1, europe-west4, us-central1)"),
    ],
)
def test_what_has_no_price_is_said_and_never_guessed(region: str, machine: Machine, sentence: str) -> None:
    assert hourly_usd(PRICES, region, machine) == sentence
    estimate = estimate_run(PRICES, region, [Task("train", machine, HOUR, True)], Fleet(region, machine, 1, 1))
    assert estimate.tasks[0][1] is None
    assert estimate.run_usd == PRICES.pipeline_run_usd
    assert estimate.month is None
    assert estimate.unpriced_run == estimate.unpriced_month == (sentence,)


def test_a_task_that_is_tried_on_several_machines_counts_with_the_dearest() -> None:
    dear = Machine("n1-standard-8", "NVIDIA_TESLA_V100", 2)
    estimate = estimate_run(PRICES, REGION, [Task("train", SMALL, HOUR, True, (dear, SMALL))], None)
    ((task, usd),) = estimate.tasks
    assert task.machine == dear
    assert usd == pytest.approx(0.4370 + 2 * 2.852, rel=1e-3)
    with pytest.raises(InputError, match="a run would cost 6"):
        estimate.check(Budget(run_usd=2))


def test_a_machine_without_a_price_further_down_a_list_keeps_anybody_from_telling() -> None:
    task = Task("train", SMALL, HOUR, True, (Machine("a4-highgpu-8g", "NVIDIA_B200", 8),))
    estimate = estimate_run(PRICES, REGION, [task], None)
    assert estimate.tasks[0][1] == pytest.approx(0.2185, rel=1e-3)
    with pytest.raises(InputError, match="cannot be told: no price of a4-highgpu-8g in us-central1"):
        estimate.check(Budget(run_usd=2))


def test_a_run_is_the_sum_of_its_tasks_and_of_the_charge_for_a_run() -> None:
    tasks = [Task("fetch", SMALL, HOUR / 2, True), Task("train", SMALL, 2 * HOUR, False)]
    estimate = estimate_run(PRICES, REGION, tasks, None)
    assert [usd for _, usd in estimate.tasks] == pytest.approx([0.10925, 0.43700], rel=1e-4)
    assert estimate.run_usd == pytest.approx(0.03 + 0.54625, rel=1e-4)
    assert estimate.month is None


def test_no_task_on_google_costs_nothing() -> None:
    assert estimate_run(PRICES, "", [], None).run_usd == 0


def test_a_month_counts_the_previous_version_that_is_kept_for_rollback() -> None:
    estimate = estimate_run(PRICES, REGION, [], Fleet(REGION, SMALL, 1, 3))
    replica = 0.21849885 * 730
    assert estimate.month == pytest.approx((replica, 4 * replica), rel=1e-6)


def test_a_rollout_has_up_to_all_replicas_of_the_newcomer_and_the_one_that_is_asked_beside_the_endpoint() -> None:
    estimate = estimate_run(PRICES, REGION, [], Fleet(REGION, SMALL, 2, 5))
    assert estimate.rollout_hour == pytest.approx((3 * 0.21849885, 6 * 0.21849885))


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (Budget(run_usd=0.2), r"a run would cost 0\.25 USD \(extra\.budget\.run_usd: 0\.2\)"),
        (Budget(endpoint_month_usd=300), r"up to 319\.01 USD \(extra\.budget\.endpoint_month_usd: 300\)"),
        (Budget(run_usd=0.2, endpoint_month_usd=300), r"a run would cost .*; a month of the endpoint"),
    ],
)
def test_above_the_budget_is_refused_with_both_numbers(budget: Budget, message: str) -> None:
    estimate = estimate_run(PRICES, REGION, [Task("train", SMALL, HOUR, True)], Fleet(REGION, SMALL, 1, 1))
    with pytest.raises(InputError, match=message):
        estimate.check(budget)


@pytest.mark.parametrize("budget", [Budget(), Budget(run_usd=0.25), Budget(run_usd=1, endpoint_month_usd=320)])
def test_within_the_budget_passes(budget: Budget) -> None:
    estimate_run(PRICES, REGION, [Task("train", SMALL, HOUR, True)], Fleet(REGION, SMALL, 1, 1)).check(budget)


def test_a_budget_that_a_missing_price_makes_unknowable_is_refused() -> None:
    unknown = Machine("m3-ultramem-32")
    run = estimate_run(PRICES, REGION, [Task("train", unknown, HOUR, True)], Fleet(REGION, SMALL, 1, 1))
    with pytest.raises(InputError, match="cannot be told: no price of m3-ultramem-32"):
        run.check(Budget(run_usd=100))
    run.check(Budget(endpoint_month_usd=1000))  # the endpoint's price is known
    endpoint = estimate_run(PRICES, REGION, [], Fleet(REGION, unknown, 1, 1))
    endpoint.check(Budget(run_usd=100))
    with pytest.raises(InputError, match="cannot be told"):
        endpoint.check(Budget(endpoint_month_usd=1000))


@pytest.mark.parametrize("given", [{"run_usd": 0}, {"endpoint_month_usd": -1}, {"run": 5}])
def test_a_budget_of_nothing_or_with_a_typo_is_a_mistake(given: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Budget.model_validate(given)


def test_every_price_list_is_dated_names_its_sources_and_prices_only_machines_that_it_describes() -> None:
    files = sorted(DIRECTORY.glob("*.json"))
    assert files
    for file in files:
        prices = Prices.model_validate_json(file.read_text("utf-8"))
        assert prices.as_of == file.stem
        datetime.date.fromisoformat(f"{prices.as_of}-01")
        assert all(source.startswith("https://") for source in prices.sources)
        assert "change" in prices.remark
        families = {family for region in prices.regions.values() for family in region.families}
        assert {shape.family for shape in prices.machines.values()} == families
