"""The MLflow model registry as a mirror of the record.

A version carries its evaluation (metrics, report as JSON and as page) and loads with `mlflow.pyfunc.load_model` without
a pickle. All calls go through a client of their own: MLflow's global state is read, never changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from evergreen.adapters.mlflow.failures import translated
from evergreen.core.artifacts import TrainedModel
from evergreen.core.baselines import measured_baselines
from evergreen.core.errors import EvergreenError
from evergreen.core.report import EvaluationReport
from evergreen.core.versions import Alias, MirrorState, ModelVersion

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

VERSION_TAG = "evergreen.version"
RUN_TAG = "evergreen.run"
_METRIC_NAME = re.compile(r"[^A-Za-z0-9_-]+")
REQUIREMENTS = ("mlflow", "numpy", "pydantic", "torch", "transformers")


@dataclass(frozen=True, kw_only=True)
class MlflowMirror:
    """Implements `Mirror`.

    `loader` names, as `module:function`, what loads a model directory into a `Predictor`. `tracking_uri` None means the
    one that is set around the caller. `render` turns a report into an HTML page.
    """

    loader: str
    tracking_uri: str | None = None
    render: Callable[[EvaluationReport], str] | None = None

    @property
    def name(self) -> str:
        """Key of `ModelVersion.mirrors`."""
        return "mlflow"

    def read(self, model: str) -> MirrorState:
        """Numbers by version, and aliases; empty when MLflow does not know the model."""
        with self._client() as client:
            return _state(client, model)

    def register(self, model: str, version: ModelVersion, trained: TrainedModel, report: EvaluationReport) -> str:
        """MLflow's number of the version, registered now unless it was before."""
        with self._client() as client:
            known = _state(client, model).versions.get(version.version)
            if known is not None:
                return known
            run_id = self._run(client, model, version)
            logged = self._log(client, model, trained, report, run_id)
            _attach_metrics(client, run_id, logged.model_id, report)
            return _create_version(client, model, version, logged)

    def set_alias(self, model: str, alias: Alias, version: str | None) -> None:
        """Moves the alias, or removes it.

        Raises:
            EvergreenError: MLflow does not hold the version.
        """
        with self._client() as client:
            state = _state(client, model)
            if state.aliases.get(alias) == version:
                return
            if version is None:
                client.delete_registered_model_alias(model, alias.value)
                return
            if version not in state.versions:
                held = ", ".join(state.versions) or "none"
                raise EvergreenError(f"MLflow has no version {version} of {model} (has: {held}); register it first")
            client.set_registered_model_alias(model, alias.value, state.versions[version])

    @contextmanager
    def _client(self) -> Iterator[Any]:
        """A client, its errors translated."""
        import mlflow

        uri = self.tracking_uri or mlflow.get_tracking_uri()
        with translated(uri):
            yield mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)

    def _run(self, client: MlflowClient, model: str, version: ModelVersion) -> str:
        """The active run if the version comes of it, so that it leads to its learning curves; else a run of its own.

        A run that repairs what lags would otherwise show the metrics of another run's version.
        """
        import mlflow

        active = mlflow.active_run()
        here = self.tracking_uri in (None, mlflow.get_tracking_uri())
        if here and active is not None and active.info.run_name == version.run:
            return str(active.info.run_id)
        experiment = client.get_experiment_by_name(model)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(model)
        tags = {VERSION_TAG: version.version, RUN_TAG: version.run}
        run = client.create_run(experiment_id, run_name=f"{model} {version.version}", tags=tags)
        client.set_terminated(run.info.run_id)
        return str(run.info.run_id)

    def _log(
        self, client: MlflowClient, model: str, trained: TrainedModel, report: EvaluationReport, run_id: str
    ) -> LoggedModel:
        """The logged model: its directory, the code that loads it, and its evaluation."""
        experiment_id = client.get_run(run_id).info.experiment_id
        logged = client.create_logged_model(
            experiment_id, name=model, source_run_id=run_id, tags={VERSION_TAG: trained.version}
        )
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            _save(path, trained.path, self.loader)
            evaluation = path / "evaluation"
            evaluation.mkdir()
            (evaluation / "report.json").write_text(report.model_dump_json(indent=2), encoding="utf-8")
            if self.render is not None:
                (evaluation / "report.html").write_text(self.render(report), encoding="utf-8")
            client.log_model_artifacts(logged.model_id, str(path))
        client.finalize_logged_model(logged.model_id, "READY")
        return logged


def _state(client: MlflowClient, model: str) -> MirrorState:
    """Versions that carry our tag; of two with the same, which a crash may leave, the later."""
    registered = sorted(client.search_model_versions(f"name = '{model}'"), key=lambda version: int(version.version))
    numbers = {version.tags[VERSION_TAG]: str(version.version) for version in registered if VERSION_TAG in version.tags}
    names = {str(version.version): version.tags.get(VERSION_TAG) for version in registered}
    aliases = client.get_registered_model(model).aliases if registered else {}
    known = {alias.value: alias for alias in Alias}
    return MirrorState(
        versions=numbers,
        aliases={known[name]: names.get(str(at)) or f"number {at}" for name, at in aliases.items() if name in known},
    )


def _create_version(client: MlflowClient, model: str, version: ModelVersion, logged: LoggedModel) -> str:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {
        VERSION_TAG: version.version,
        "evergreen.recipe": version.recipe,
        RUN_TAG: version.run,
        "evergreen.judged_against": version.judged_against or "",
        **{f"evergreen.metric.{name}": f"{value:.4f}" for name, value in version.metrics.items()},
    }
    created = client.create_model_version(
        model,
        source=_source(client, logged),
        run_id=logged.source_run_id,
        model_id=logged.model_id,
        tags=tags,
    )
    return str(created.version)


def _source(client: MlflowClient, logged: LoggedModel) -> str:
    """`models:/…`, by which MLflow's pages show the metrics; the bare location where MLflow could not look that up.

    A server looks it up in its own database, but without a server MLflow does so wherever its global state points.
    """
    import mlflow

    known = client.tracking_uri.startswith("http") or client.tracking_uri == mlflow.get_tracking_uri()
    return str(logged.model_uri if known else logged.artifact_location)


def _attach_metrics(client: MlflowClient, run_id: str, model_id: str, report: EvaluationReport) -> None:
    """The overall test metrics with the ends of their intervals, on the run and on the logged model.

    Gains over the champion are turned so that more is better, whichever way the metric runs.
    """
    values = {"test_rows": float(report.rows), "latency_p95_ms": report.timings.latency_p95_ms}
    for name, metric in report.metrics.items():
        values |= {f"test/{name}": metric.value, f"test/{name}_low": metric.low, f"test/{name}_high": metric.high}
    for name, difference in report.comparison.differences.items() if report.comparison else ():
        values[f"gain/{name}"] = report.gain(name, difference).value
    for baseline in measured_baselines(report):
        kind = _METRIC_NAME.sub("_", report.baseline_name if baseline is report.baseline else baseline.label)
        values |= {f"baseline/{kind}/{name}": value for name, value in baseline.metrics.items()}
    for name, value in values.items():
        client.log_metric(run_id, name, value, model_id=model_id)


def _save(path: Path, model_dir: Path, loader: str) -> None:
    """Writes MLflow's directory: the model's files, the code that loads them and the library, nothing pickled."""
    import mlflow

    import evergreen
    from evergreen.adapters.mlflow import served_model

    mlflow.pyfunc.save_model(
        path=str(path),
        loader_module=served_model.__name__,
        data_path=str(model_dir),
        model_config={"loader": loader},
        code_paths=[str(Path(evergreen.__file__).parent)],
        pip_requirements=list(_requirements()),
    )


def _requirements() -> Iterator[str]:
    """The installed versions of what a predictor imports; MLflow's own inference would load the model to find them."""
    for package in REQUIREMENTS:
        try:
            yield f"{package}=={version(package)}"
        except PackageNotFoundError:
            continue
