"""Values that decisions are made on and that dashboard pages show."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from evergreen.core.base import Frozen
from evergreen.core.metric import MetricSpec


class MetricName:
    """Every metric's name, spelled once."""

    ACCURACY = "accuracy"
    MACRO_F1 = "macro_f1"
    MACRO_PRECISION = "macro_precision"
    MACRO_RECALL = "macro_recall"
    PRECISION = "precision"
    RECALL = "recall"
    F1 = "f1"
    MEAN_IOU = "mean_iou"
    DICE = "dice"
    PIXEL_ACCURACY = "pixel_accuracy"
    IOU = "iou"
    CLASSIFICATION = (ACCURACY, MACRO_F1, MACRO_PRECISION, MACRO_RECALL)
    CLASSIFICATION_PER_CLASS = (PRECISION, RECALL, F1)
    SEGMENTATION = (MEAN_IOU, DICE, PIXEL_ACCURACY)
    SEGMENTATION_PER_CLASS = (IOU, DICE)
    OVERALL = (*CLASSIFICATION, *SEGMENTATION)
    PER_CLASS = (*CLASSIFICATION_PER_CLASS, *SEGMENTATION_PER_CLASS)


class Metric(Frozen):
    """A value with its bootstrap interval; for differences, challenger minus champion. NaN when undefined."""

    value: float
    low: float
    high: float


class ColumnStatistics(Frozen):
    """What one column holds. Lengths are characters, for text columns only; `top` maps frequent values to rows."""

    type: str
    nulls: int
    distinct: int
    min_length: int | None = None
    mean_length: float | None = None
    max_length: int | None = None
    top: dict[str, int] = {}


class Anomaly(Frozen):
    """Something odd that does not stop the run, with up to a few row ids as examples."""

    name: str
    rows: int
    message: str
    examples: tuple[str, ...] = ()


class PictureStatistics(Frozen):
    """What pictures and masks hold.

    `sizes` maps frequent sizes (`500 x 375`, width first) to rows; `channel_means` and `channel_deviations` are of red,
    green and blue, 0 to 255, over all pixels; `class_shares` maps labels to their share of the pixels that count, and
    `ignored_share` is that of the others among all.
    """

    sizes: dict[str, int]
    distinct_sizes: int
    channel_means: tuple[float, float, float]
    channel_deviations: tuple[float, float, float]
    class_shares: dict[str, float]
    ignored_share: float


class ValidationReport(Frozen):
    """Evidence that a dataset honours the task's schema: a violation would have stopped the run."""

    dataset: str
    rows: int
    columns: dict[str, ColumnStatistics]
    labels: dict[str, int]
    length_histogram: tuple[tuple[int, int], ...] = ()
    """(upper edge in characters, rows) pairs of the text column."""
    anomalies: tuple[Anomaly, ...] = ()
    pictures: PictureStatistics | None = None
    """Of pictures and their masks; `labels` then counts the rows in which a class occurs."""
    set_aside: dict[str, str] = {}
    """Why a row is left out of all that follows, by its id; only as many as the configuration allows."""


class Curves(Frozen):
    """Points `{"step": …, "loss": …}` with further values by name; equal trainings have equal curves."""

    train: tuple[dict[str, float], ...]
    validation: tuple[dict[str, float], ...]
    best_step: int


class PictureAnswers(Frozen):
    """What a new model answers for pictures of the validation split: `overlays` as those of a WorstImage; class numbers
    have the colours of `evergreen.core.colours`, in the order of `labels`.
    """

    labels: tuple[str, ...]
    overlays: tuple[str, ...]


class ClassReport(Frozen):
    """One class: its metrics by name (precision, recall and F1; IoU and Dice), and the test rows that have it."""

    metrics: dict[str, Metric]
    support: int


class SliceReport(Frozen):
    """The rows where `column` has `value` (a bucket such as `≤ 1000` for lengths)."""

    column: str
    value: str
    rows: int
    metrics: dict[str, Metric]


class SmallSlice(Frozen):
    """Rows where `column` has `value` that are too few to be measured by themselves."""

    column: str
    value: str
    rows: int


class WorstError(Frozen):
    """A wrong prediction with high confidence; `excerpt` is at most 300 characters."""

    id: str
    excerpt: str
    truth: str
    predicted: str
    score: float


class WorstImage(Frozen):
    """A picture that was segmented badly; `overlay` is a small PNG in base64: picture, truth and answer side by side.

    `scores` are the picture's own metrics by name.
    """

    id: str
    overlay: str
    scores: dict[str, float]


class Terms(Frozen):
    """What a task's numbers are called, so that whoever judges or shows them knows no task.

    `lead` is the metric that summaries lead with, that the baseline is beaten in and that the champion is compared in
    where nothing else is said; `class_lead` orders the classes. `row` is a test row, `counted` what the confusion
    matrix counts.
    """

    lead: str = MetricName.ACCURACY
    class_lead: str = MetricName.F1
    row: str = "row"
    counted: str = "row"


class Baseline(Frozen):
    """What always answering the training split's majority label scores on the same rows; or a simple model, by name.

    `differences` are paired-bootstrap, model minus baseline; empty in reports that were made before they were measured.
    `fitted_on` is how many training rows a simple model was fitted on, where that were not all.
    """

    label: str
    metrics: dict[str, float]
    differences: dict[str, Metric] = {}
    fitted_on: int | None = None


class Comparison(Frozen):
    """The champion on the very same rows; differences are paired-bootstrap, challenger minus champion.

    `class_differences` is keyed by label, then by metric. `doubt` says why the champion may have been trained on some
    of these rows, which would favour it; None: nothing points to that.
    """

    champion: str
    metrics: dict[str, Metric]
    differences: dict[str, Metric]
    class_differences: dict[str, dict[str, Metric]] = {}
    doubt: str | None = None


class Timings(Frozen):
    """Wall-clock measurements on the machine of the run; the only part of a report that may differ between equal runs.

    Latencies are milliseconds of one-instance predictions.
    """

    latency_p50_ms: float
    latency_p95_ms: float
    rows_per_s: float


class EvaluationReport(Frozen):
    """How good one model version is on the test split, and how sure that is.

    `references` are what simple models score on the same rows, beside the majority baseline. `specs` say which way the
    metrics are good; one without a spec is good when it is high.
    `confusion[i][j]` counts rows, or pixels, of true label `labels[i]` predicted as `labels[j]`.
    """

    version: str
    splits: str
    rows: int
    labels: tuple[str, ...]
    metrics: dict[str, Metric]
    confidence: float
    baseline: Baseline
    per_class: dict[str, ClassReport]
    slices: tuple[SliceReport, ...]
    confusion: tuple[tuple[int, ...], ...]
    worst: tuple[WorstError, ...]
    comparison: Comparison | None
    size_bytes: int
    timings: Timings
    worst_images: tuple[WorstImage, ...] = ()
    terms: Terms = Terms()
    references: tuple[Baseline, ...] = ()
    small_slices: tuple[SmallSlice, ...] = ()
    specs: tuple[MetricSpec, ...] = ()

    def spec(self, name: str) -> MetricSpec:
        """Direction, unit and bounds of a metric."""
        return next((one for one in self.specs if one.name == name), MetricSpec(name=name))

    def gain(self, name: str, difference: Metric) -> Metric:
        """A difference of this model minus another, turned so that more is better."""
        if self.spec(name).higher:
            return difference
        return Metric(value=-difference.value, low=-difference.high, high=-difference.low)


class Reason(Frozen):
    """One rule of the gate: what was required, what was found, and whether it passed."""

    rule: str
    passed: bool
    message: str


class Verdict(StrEnum):
    """What the gate says of a version."""

    PROMOTE = "promote"
    KEEP = "keep"


class PromotionDecision(Frozen):
    """Promote the version, or keep the champion, with every reason. Nothing deploys without one."""

    verdict: Verdict
    version: str
    champion: str | None
    reasons: tuple[Reason, ...]


class Deployment(Frozen):
    """What the endpoint serves after a run: `traffic` maps each version to percent.

    `token_command` is the shell command whose output requests carry as bearer token; None: they need none. `example` is
    an instance that the endpoint answers.
    """

    outcome: Literal["live", "kept", "rolled_back", "none"]
    model: str
    url: str | None
    version: str | None
    traffic: dict[str, int]
    message: str
    token_command: str | None = None
    example: dict[str, Any] | None = None


class EndpointStatus(Frozen):
    """What an endpoint says of itself.

    `url` is where predictions are POSTed (None: nothing answers), `traffic` percent by deployed version, 0 for one that
    stands by, kept when nothing answers; `ready` the versions that answer; `outdated` those whose server is of other
    code or another container than the configured one, until they are renewed; `token_command` the shell command that
    prints the bearer token of requests (None: they need none).
    """

    url: str | None
    traffic: dict[str, int]
    ready: tuple[str, ...]
    outdated: tuple[str, ...] = ()
    token_command: str | None = None


class Incumbent(Frozen):
    """The version a challenger must beat; `artifact` is where its trained model is kept. Both None: no champion."""

    version: str | None = None
    artifact: str | None = None


class Start(Frozen):
    """What a training starts from: the fingerprint of the pretrained weights, and the champion of a warm start."""

    pretrained: str
    champion: Incumbent = Incumbent()
