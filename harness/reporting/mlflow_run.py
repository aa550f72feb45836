"""A run as an MLflow run: figures, parameters, tables and the report, on a server or in a file beside the report."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from harness.exceptions import EnvironmentFault, InputError
from harness.reporting.data import ReportData
from harness.reporting.html import HtmlReporter
from harness.reporting.json_summary import JsonReporter
from harness.reporting.markdown import MarkdownReporter
from harness.reporting.registry import Reporter
from harness.reporting.standing import worn_label
from harness.reporting.tracking import Point, began, parameters, points, require, run_key, sheets, text
from harness.storage import write_json

RECEIPT, STORE = "mlflow.json", "mlflow"
"""In a report's folder: what `MlflowReporter` writes last, and the folder of its local store."""
TAG = "harness.run"
"""Marks the MLflow run of a run: `harness.reporting.tracking.run_key`."""
BATCH = 100
"""Parameters and tags that MLflow takes at once."""


class MlflowReporter:
    """Puts a run into MLflow and writes a receipt, ``mlflow.json``: where it went, and under which ids.

    It goes to ``MLFLOW_TRACKING_URI``, else to a local store ``mlflow/mlflow.db`` beside the receipt; into the
    experiment ``MLFLOW_EXPERIMENT_NAME``, else the one called like the domain. Written again it goes to the same MLflow
    run: only what is new is added.

    Args:
        templates: as of `HtmlReporter`, for the page and the Markdown among the artifacts.
    """

    name = "mlflow"

    def __init__(self, templates: Path | None = None) -> None:
        self._page, self._summary = HtmlReporter(templates), MarkdownReporter(templates)

    def with_templates(self, folder: Path) -> MlflowReporter:
        """The same with templates of one's own; raises InputError as `harness.reporting.templates.check_folder`."""
        return MlflowReporter(folder)

    def check(self) -> None:
        """Raise InputError where a package is missing."""
        given = os.environ.get("MLFLOW_TRACKING_URI")
        local = ("sqlalchemy", "alembic") if not given or given.startswith("sqlite:") else ()
        require(self.name, "mlflow", "mlflow", *local)

    def render(self, data: ReportData, out_dir: Path) -> Path:
        """Put the run into MLflow, write the receipt into ``out_dir`` (created) and return its path.

        Raises:
            InputError: a package is missing, or the local store was made in another folder.
            EnvironmentFault: MLflow refused, or the folder cannot be written.
        """
        self.check()
        uri, artifacts = _store(out_dir)
        with _refusals(uri):
            client = _client(uri)
            experiment = _experiment(client, data, artifacts, out_dir)
            run_id = _run(client, data, experiment)
            _fill(client, data, run_id)
            with tempfile.TemporaryDirectory() as folder:
                self._files(data, Path(folder))
                client.log_artifacts(run_id, folder)
            status = {"running": "RUNNING", "failed": "FAILED"}.get(data.summary["status"], "FINISHED")
            if status == "RUNNING":
                client.update_run(run_id, status)
            else:
                client.set_terminated(run_id, status, _milliseconds(data, float(data.summary["seconds"])))
        path = out_dir / RECEIPT
        write_json(path, {"tracking_uri": _shown(uri), "experiment_id": experiment, "run_id": run_id})
        return path

    def _files(self, data: ReportData, folder: Path) -> None:
        """The report's three files, and each table as MLflow's interface shows one (columns and rows in JSON)."""
        reporters: tuple[Reporter, ...] = (self._page, self._summary, JsonReporter())
        for reporter in reporters:
            reporter.render(data, folder / "report")
        for sheet in sheets(data):
            table = {"columns": list(sheet.columns), "data": [list(row) for row in sheet.rows]}
            write_json(folder / "tables" / f"{sheet.name}.json", table)


def _store(out_dir: Path) -> tuple[str, str | None]:
    """Address of the store, and of its artifacts where it is the local one."""
    given = os.environ.get("MLFLOW_TRACKING_URI")
    if given:
        return given, None
    folder = out_dir.resolve() / STORE
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()


def _client(uri: str) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # else importing it reports its use to its makers
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from mlflow.tracking import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri)


def _experiment(client: Any, data: ReportData, artifacts: str | None, out_dir: Path) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or text(data.summary["domain"], 200).replace("\n", " ") or "harness"
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name, artifact_location=artifacts))
    if artifacts is not None and found.artifact_location != artifacts:
        raise InputError(
            f"{out_dir / STORE}: made in another folder, {found.artifact_location}; "
            "remove it here and run the same command again"
        )
    return str(found.experiment_id)


def _run(client: Any, data: ReportData, experiment: str) -> str:
    key = run_key(data)
    found = client.search_runs([experiment], f"tags.`{TAG}` = '{key}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    name = text(data.summary["run"], 200).replace("\n", " ")
    made = client.create_run(experiment, _milliseconds(data, 0.0), {TAG: key}, run_name=name)
    return str(made.info.run_id)


def _fill(client: Any, data: ReportData, run_id: str) -> None:
    from mlflow.entities import Metric, Param, RunTag

    stored = client.get_run(run_id).data
    tags = {
        "harness.status": text(data.summary["status"]),
        "harness.stopped": text(data.stopped),
        "harness.ledger_head": text(data.ledger_head),
        "harness.champion": str(data.summary["champion"]["round"]),
        "harness.test": worn_label(data.summary) or ("opened" if data.summary.get("test") else "not shown"),
        "mlflow.loggedArtifacts": json.dumps(
            [{"path": f"tables/{sheet.name}.json", "type": "table"} for sheet in sheets(data)]
        ),
    }
    new = {key: value for key, value in parameters(data).items() if key not in stored.params}
    for params in _batches([Param(key, value) for key, value in new.items()], BATCH):
        client.log_batch(run_id, params=params)
    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    metrics = [
        Metric(point.key, point.value, time, point.step)
        for point, time in _missing(client, data, run_id, set(stored.metrics))
    ]
    for chunk in _batches(metrics, 1_000):
        client.log_batch(run_id, metrics=chunk)


def _missing(client: Any, data: ReportData, run_id: str, known: set[str]) -> Iterator[tuple[Point, int]]:
    """The figures that are not stored yet, each with its time; one that has changed comes later than the stored one."""
    history: dict[tuple[str, int], tuple[float, int]] = {}
    for key in known:
        for metric in client.get_metric_history(run_id, key):
            before = history.get((key, metric.step))
            if before is None or metric.timestamp >= before[1]:
                history[key, metric.step] = metric.value, metric.timestamp
    for point in points(data):
        stored = history.get((point.key, point.step))
        time = _milliseconds(data, point.seconds)
        if stored is None:
            yield point, time
        elif stored[0] != point.value:
            yield point, max(time, stored[1] + 1)


def _batches(values: Sequence[Any], size: int) -> Iterable[list[Any]]:
    source = iter(values)
    while chunk := list(islice(source, size)):
        yield chunk


def _milliseconds(data: ReportData, seconds: float) -> int:
    return int(1_000 * (began(data) + seconds))


def _shown(uri: str) -> str:
    """``uri`` without a user's name and password."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else uri


def _secrets(uri: str) -> tuple[str, ...]:
    """What stands before the at sign of ``uri``: ``name:password``, then the password alone."""
    login = urlsplit(uri).netloc.rpartition("@")[0]
    return tuple(part for part in (login, login.partition(":")[2]) if part)


@contextmanager
def _refusals(uri: str) -> Iterator[None]:
    """Turn what MLflow and what lies under it raise into one line."""
    try:
        yield
    except (InputError, EnvironmentFault):
        raise
    except Exception as error:
        said = " ".join(str(error).replace(uri, _shown(uri)).split())
        for secret in _secrets(uri):
            said = said.replace(secret, "***")
        said = said[:500]
        raise EnvironmentFault(
            f"MLflow at {_shown(uri)}: {type(error).__name__}: {said}; mend that, or unset MLFLOW_TRACKING_URI "
            "to write into the report's folder"
        ) from error
