"""What sources, tasks by verb, hosts, records and mirrors must offer, so that steps know none of them by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from evergreen.core.admission import Trial
from evergreen.core.answers import Predictions
from evergreen.core.approval import Question
from evergreen.core.artifacts import Dataset, ResolvedWindow, SourceIdentity, Splits, TrainedModel
from evergreen.core.batch import Table
from evergreen.core.cloud import HostNeeds
from evergreen.core.deployment import EndpointStatus
from evergreen.core.engines import EngineGraph
from evergreen.core.lease import LeaseStore
from evergreen.core.observation import Observation
from evergreen.core.predictors import Interface, Shape
from evergreen.core.preparation import Destination, PreparedRows, Raw
from evergreen.core.publication import Edition, ModelDescription, Publication
from evergreen.core.report import EvaluationReport
from evergreen.core.shadow import Shadow
from evergreen.core.training import Curves, PictureAnswers
from evergreen.core.validation import ValidationReport
from evergreen.core.versions import Alias, MirrorState, ModelVersion, RecordState, SetAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from evergreen.core.part import NewRows, PartOfSource

Fetch = Callable[[str, int], bytes]
"""The content of an address in a bucket, of at most so many bytes. Raises EvergreenError where it cannot be had."""


@dataclass(frozen=True)
class BigQueryData:
    """What is read of BigQuery: a `project:dataset` (None: only a query tells it), where it lies, and the bytes that
    a run may be billed for.
    """

    dataset: str | None
    location: str
    most_bytes: int


class Source(Protocol):
    """Where rows come from."""

    def identity(self, window: ResolvedWindow | None) -> SourceIdentity:
        """What the source holds in the window, without reading the rows where that can be helped."""

    def read(self, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
        """Rows of the window streamed into Parquet shards below `out_dir`; memory does not grow with rows."""

    def find_new(self, part: PartOfSource) -> NewRows:
        """What there is of the part, its `until` set to the arrival time that was looked up to.

        Raises:
            InputError: which rows are new cannot be told.
        """

    def read_new(self, part: PartOfSource, out_dir: Path) -> Dataset:
        """The part's rows, as `find_new` counted them, as `read` writes rows. Raises as both do."""

    def destination(self, *, windowed: bool) -> Destination:
        """Where rows are written that the source is to read; `windowed` ones are always read by a range of times.

        Raises:
            InputError: rows are read here, never written.
        """

    def prepared_folder(self) -> str:
        """The folder whose Parquet files the source reads, for a preparation to fill.

        Raises:
            InputError: it reads no such folder, or would change what was prepared once more.
        """

    def table(self, window: ResolvedWindow | None, columns: Sequence[str] | None) -> Table:
        """Rows to be predicted, in order: as they are, with these columns of theirs (None: all), labels or not.

        Raises:
            InputError: they are in no form that can be predicted, or as `identity` does.
        """

    def raw(self) -> Raw | None:
        """The rows in parts, for many workers to prepare; None: one of them reads all.

        Raises:
            InputError: there are no rows.
        """

    def bigquery(self) -> BigQueryData | None:
        """What the source reads of BigQuery, whose services, roles and prices then count; None: nothing."""


class Computing(Protocol):
    """What computes answers, whatever it is."""

    @property
    def engine(self) -> str:
        """Its name, e.g. `torch` or `onnx-fp32`."""

    @property
    def takes_turns(self) -> bool:
        """Whether one batch is computed at a time: on a GPU each has all of it."""

    @property
    def budget(self) -> int:
        """The most work of a batch that is done well at once: its rows times the size of the largest."""

    def use_threads(self, count: int) -> None:
        """Lets what the calling thread computes from now on use so many threads; nothing where they are fixed."""


class Predictor(Computing, Protocol):
    """A loaded model; the same verbs serve training's evaluation, the server and batch prediction.

    Decoded inputs are ready: a text is in tokens, a picture in pixels. Raw outputs have a length, and parts of them by
    slices of rows are raw outputs, so that one batch answers several requests. The server decodes, predicts and encodes
    in several threads at once, unless the model `takes_turns`. `core.predictors.PlainPredictor` has all verbs but
    `decode`, `predict` and `encode`.
    """

    @property
    def interface(self) -> Interface:
        """What its requests and answers hold."""

    def decode(self, instances: Sequence[Any]) -> list[Any]:
        """Validated inputs.

        Raises:
            InstanceError: naming the first instance that cannot be used.
            RequestTooLargeError: they fill more memory together than a request may.
        """

    def sizes(self, batch: Sequence[Any]) -> Sequence[int]:
        """How much work each decoded input is, e.g. tokens or pixels; what differs is better predicted apart."""

    def predict(self, batch: Sequence[Any]) -> Any:
        """Raw outputs, one a row, in the order given, e.g. probabilities: (rows, classes) float32."""

    def shaping(self, parameters: Mapping[str, Any]) -> Shape:
        """What the `parameters` of a request make of its predictions. Raises InputError: what is allowed."""

    def encode(self, outputs: Any) -> list[dict[str, Any]]:
        """JSON-ready predictions, one an instance."""

    def observe(self, batch: Sequence[Any], outputs: Any) -> list[Observation]:
        """What a log keeps of each row."""


class Demo(Protocol):
    """How a person tries a model in a browser: two Gradio components, and what passes between them and the model."""

    def input(self) -> Any:
        """The component in which a person gives what the model is asked."""

    def output(self) -> Any:
        """The component that shows a prediction."""

    def value(self, instance: Mapping[str, Any]) -> Any:
        """An instance as the input component holds it; what the examples are made of."""

    def instance(self, value: Any) -> dict[str, Any]:
        """What the input component holds, as an instance."""

    def shown(self, value: Any, prediction: Mapping[str, Any]) -> Any:
        """A prediction, beside the input that it answers, as the output component shows it."""


class TrainingRun(Protocol):
    """What a training may use of the run around it; it knows no tracker."""

    @property
    def out_dir(self) -> Path:
        """Empty directory for the trained model."""

    @property
    def checkpoint_dir(self) -> Path:
        """Directory that is the same for the same splits, task and seed; holds what a killed run left."""

    @property
    def seed(self) -> int:
        """Seed of everything random."""

    @property
    def moved(self) -> bool:
        """Whether requests say that the world is no longer as the champion learned it."""

    def checkpoint_saved(self) -> None:
        """Makes durable what `checkpoint_dir` holds now; called after each whole checkpoint."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Records one point of the learning curves."""

    def show_curves(self, curves: Curves) -> None:
        """Records the page of the whole training's learning curves; what cannot be shown ends no training."""

    def show_answers(self, answers: PictureAnswers) -> None:
        """Records the page of pictures with what the new model answers; what cannot be shown ends no training."""

    def report_progress(self, rows: int, total_rows: int, loss: float, seconds_left: float) -> None:
        """Shows a person how far the training is."""


CountClasses = Callable[["npt.NDArray[np.int64]"], None]


class Examinable(Protocol):
    """What a task finds in rows before anything is trained on them."""

    def examine(self, dataset: Dataset, count: CountClasses | None = None) -> ValidationReport:
        """Statistics of a dataset that honours the schema. Raises InputError naming rules and rows otherwise.

        Where rows have masks, `count` is given their pixels by class index: (rows, 256) of the next rows, of each once.
        """

    def prepare_rows(self, rows: pa.RecordBatch, image_size: int | None) -> PreparedRows:
        """Rows with canonical columns as training wants them, pictures in that size, and why others are unusable."""


class Trainable(Protocol):
    """How a task makes models."""

    def check(self) -> str:
        """What a training starts from, in words. Raises InputError when it cannot be had."""

    def pretrained(self) -> str:
        """Fingerprint of the weights that a training starts from; another one means another model."""

    def training_configuration(self) -> dict[str, object]:
        """The fields that decide the trained model, JSON-ready; what only measures it or unlocks data is left out."""

    def train(self, splits: Splits, run: TrainingRun, start: TrainedModel | None = None) -> TrainedModel:
        """A model trained on `train/` from the weights of `start`, selected on `validation/`; never reads `test/`."""


class Measurable(Protocol):
    """How a task judges models."""

    def evaluate(
        self, model: TrainedModel, champion: TrainedModel | None, splits: Splits, trial: Trial | None = None
    ) -> EvaluationReport:
        """The model, and the champion re-scored, on `test/`; with a trial by the engine that is to serve, and which.

        Tasks that name no `exportable` are given none.
        """


class Servable(Protocol):
    """How models of a task are asked."""

    def load(self, model_dir: Path, fetch: Fetch | None = None) -> Predictor:
        """A predictor of a trained-model directory; `fetch` reads what instances only name."""

    def load_engine(self, model_dir: Path, engine: EngineGraph, fetch: Fetch | None = None) -> Predictor:
        """The same by a graph of the model; the directory's weights need not be there. Raises InputError: it cannot."""

    def instance(self, value: Any) -> dict[str, Any]:
        """An instance, as a client sends it, of what a person gives on a command line or in a table."""

    def examples(self, splits: Splits, count: int = 3) -> Sequence[dict[str, Any]]:
        """Instances as a client would send them, which every version must answer before it gets traffic."""


class Exportable(Protocol):
    """How models of a task become graphs."""

    def export(self, model_dir: Path, out_dir: Path) -> None:
        """Writes `fp32.onnx`, which answers as the trained model does, and what else a host needs to run it.

        Raises:
            ExportRefusedError: it has no such graph.
            OSError: the disk is full.
        """

    def kept_inputs(self, splits: Splits, count: int) -> Sequence[dict[str, Any]]:
        """Instances of the validation split as a client would send them, to compare engines by."""


class Presentable(Protocol):
    """How models of a task are shown to others."""

    def describe(self) -> ModelDescription:
        """What readers of a published model are told of it."""

    def demo(self) -> Demo:
        """How a person tries a model of this task in a browser."""


class Endpoint(Protocol):
    """One model's live endpoint. `version` is a trained model's content-hash name."""

    def upload(self, version: str, model_dir: Path) -> None:
        """Makes the version deployable; does nothing when it is."""

    def offer(self, version: str, examples: Sequence[Mapping[str, Any]]) -> None:
        """Has the host's page for people offer these instances; does nothing where it has none.

        Raises:
            EndpointError: they cannot be kept.
        """

    def deploy(self, version: str) -> None:
        """Starts the version at 0 % of the traffic and returns once it is ready; does nothing when it answers.

        One that answers is never replaced, whatever code it runs. One that was deployed and is dead keeps its traffic
        and is started again as it was, whatever it failed of before.

        Raises:
            EndpointError: it never became ready, or was not uploaded; what it printed last is in the message.
        """

    def renew(self, version: str) -> None:
        """Starts the present code beside an outdated version and returns once that successor is ready.

        The successor is what `predict` asks of the version until `switch` or `clear`. A host whose successors need no
        question may give it the traffic at once.

        Raises:
            EndpointError: it never became ready, or was not uploaded so; the version answers on as before.
        """

    def switch(self, version: str) -> None:
        """Gives the traffic of a version to the successor that `renew` started, and stops the other.

        Does nothing where the version runs the present code. Raises EndpointError when no successor is ready.
        """

    def clear(self) -> None:
        """Stops successors that got no traffic, and what was there only to ask a version; does nothing without any."""

    def set_traffic(self, traffic: Mapping[str, int]) -> None:
        """Splits requests among deployed versions; percents sum to 100.

        Raises:
            InputError: they do not.
            EndpointError: a version with traffic is not ready.
        """

    def scale(self, version: str, replicas: int | None) -> bool:  # noqa: ARG002 - read where a host has replicas
        """Has the version keep so many replicas, or as many as it may have; asked again until it does.

        Whether it has them now. None lets it have as few as configured again. Of a version that is being renewed it is
        about the successor. Only a host that tells `replicas` in its status is asked; others are as here.

        Raises:
            EndpointError: it does not get them, or not in time.
        """
        return True

    def shadow(self, version: str, plan: Shadow | None) -> None:
        """Has a version without traffic get copies of requests, which `status` tells of; None: no more of them.

        They end by themselves soon after the plan's time. A host whose settings say that it has no `shadows` is never
        asked for any.

        Raises:
            InputError: the host cannot copy requests.
            EndpointError: the version is not ready, or has traffic.
        """

    def undeploy(self, version: str) -> None:
        """Stops the version after its requests were answered. Raises EndpointError while it has traffic."""

    def park(self) -> None:
        """Stops what runs and keeps the endpoint, its id and its split; does nothing when it is parked.

        Raises:
            EndpointError: there is no version with all the traffic, or it cannot be stopped.
        """

    def unpark(self) -> None:
        """Starts what had the traffic again and returns once it is ready; does nothing when it is not parked.

        Raises:
            EndpointError: it did not become ready; the endpoint stays parked.
        """

    def predict(self, instances: Sequence[Any], version: str | None = None, *, logged: bool = True) -> Predictions:
        """Predictions by the traffic split, or by one deployed version, whatever its traffic.

        A question by the split that is not `logged` is a rollout's own: the request log leaves it out, where the host
        can have its servers know.

        Raises:
            InstanceError: the endpoint refuses one of the instances.
            InputError: it refuses the request; it refuses to be asked for none.
            EndpointError: nothing answers.
        """

    def status(self) -> EndpointStatus:
        """What runs now, asked of the endpoint itself; its stored traffic when nothing answers, never an empty one."""

    def delete(self) -> str | None:
        """Stops everything and forgets it; what that was, in words. None: there was nothing."""


class LoggedRows(Protocol):
    """Rows of a request log, as `evergreen.requestlog.arrow.SCHEMA` names them; each reading begins anew."""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Batches in no order of time; memory does not grow with rows.

        Raises:
            EvergreenError: the log cannot be read.
        """

    @property
    def skipped(self) -> int:
        """What was damaged and left out of the last reading, once it is through."""


class RequestLog(Protocol):
    """What servers noted of the requests of one model."""

    @property
    def late_s(self) -> float:
        """How long after its answer a request may not be in the log yet, in seconds."""

    @property
    def keeps_inputs(self) -> bool:
        """Whether rows may hold what was asked, as the configuration's hook left it."""

    def read(self, window: ResolvedWindow) -> LoggedRows:
        """The rows of requests that came in the window: one an instance, one for a refused request."""


class Host(Protocol):
    """Where endpoints live."""

    @property
    def max_request_bytes(self) -> int:
        """What the instances of one prediction request may take as JSON."""

    @property
    def lone_slowdown(self) -> float:
        """By what share a version's 95th percentile of latency may be longer for no other reason than that it has much
        less of the traffic than the other; a third of it is chance at any share. 0 where each has machines of its own.
        """

    def open(self, model: str, state_dir: Path) -> Endpoint:
        """The endpoint of one model name; `state_dir` is where a host of this machine keeps its state."""

    def check(self, model: str, state_dir: Path) -> str:
        """Where the model's endpoint is live or could be opened, in words. Raises InputError: what is in the way."""

    def lease(self, model: str, state_dir: Path) -> LeaseStore:
        """Where it is kept who may move the model's traffic, for all machines that may."""

    def request_log(self, model: str, state_dir: Path) -> RequestLog:
        """What was noted of the model's requests. Raises InputError where the configuration has nothing noted."""

    def mirrors(self) -> Sequence[Mirror]:
        """Registries of the host's own, which follow the record."""

    def needs(self) -> HostNeeds | None:
        """What it takes of Google Cloud; None for nothing."""

    def room(self) -> Mapping[str, object]:
        """The fields to change so that another model's endpoint fits beside what is there; empty where it does."""


class Publisher(Protocol):
    """Where versions are published for others. Repeating a call changes nothing, and completes what was cut off."""

    def check(self) -> str:
        """Where it publishes, in words. Raises InputError when the token is missing, refused or may not write there."""

    def plan(self) -> str:
        """What would be published where, in words; nothing is asked."""

    def publish(self, edition: Edition, *, live: bool) -> Publication:
        """The version published, as what is `live` or for review alone.

        Raises InputError or EvergreenError when it cannot be.
        """


class VersionRecord(Protocol):
    """The one truth about which version of a model is candidate, champion and previous."""

    @property
    def model(self) -> str:
        """The model's name."""

    def read(self) -> RecordState:
        """All versions and aliases."""

    def get(self, version: str) -> ModelVersion:
        """A registered version. Raises EvergreenError when there is none of that name."""

    def add(self, version: ModelVersion) -> None:
        """Registers a version; one that is registered takes the newer copy of its model."""

    def move(self, moves: Iterable[SetAlias]) -> None:
        """Moves aliases one after the other, in the order given: a crash may cut it anywhere."""

    def exchange(self, withdrawn: str, target: str) -> None:
        """Makes the target champion, and the champion previous and withdrawn by hand; a crash may cut it anywhere."""

    def settle(self) -> tuple[RecordState, bool]:
        """All as `read`, and whether an exchange had been cut off after its champion moved; it is complete now, any
        other is forgotten.
        """

    def mark_rolled_back(self, version: str, rolled_back: bool) -> None:
        """Notes that a version was withdrawn by hand, so that no run promotes it again by itself."""

    def note_mirror(self, version: str, mirror: str, number: str) -> None:
        """Records the number that a mirror gave to a version."""

    def note_question(self, version: str, question: Question) -> None:
        """Records what a person is asked about a version, or answered; it replaces what was recorded before."""


class Mirror(Protocol):
    """A registry that follows the record. Repeating a call changes nothing."""

    @property
    def name(self) -> str:
        """Key of `ModelVersion.mirrors`, e.g. `mlflow`."""

    def read(self, model: str) -> MirrorState:
        """What the mirror holds of the model."""

    def register(self, model: str, version: ModelVersion, trained: TrainedModel, report: EvaluationReport) -> str:
        """Registers the version with its evaluation; returns the mirror's own number for it."""

    def set_alias(self, model: str, alias: Alias, version: str | None) -> None:
        """Moves an alias to a version that the mirror holds; None removes it."""
