"""MLflow and TensorBoard: what was put in is read back from the store with their own readers."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from report_fixture import make_report_data
from verified_runs import lines, make_short_run

from harness.cli.main import cli
from harness.exceptions import EnvironmentFault, InputError
from harness.reporting import tracking
from harness.reporting.data import ReportData
from harness.reporting.html import HtmlReporter
from harness.reporting.load import write_formats
from harness.reporting.mlflow_run import TAG, MlflowReporter
from harness.reporting.registry import BUILTIN, render
from harness.reporting.tensorboard_log import TensorboardReporter
from harness.verify.verify import verify_run

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, of one another
CREATED = {"created": "2026-02-01T10:00:00+00:00"}


def made(**given: Any) -> ReportData:
    data = make_report_data(**{"rounds": 6, "crash_round": 5, **given})
    return replace(data, manifest={**data.manifest, **CREATED})


@pytest.fixture(scope="module")
def data() -> ReportData:
    return made()


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


# --- what goes in


def test_the_figures_are_the_summarys(data: ReportData) -> None:
    found = {(point.key, point.step): point.value for point in tracking.points(data)}
    summary = data.summary
    assert found["dev/score", 0] == summary["baseline"]["dev"]["value"]
    assert found["dev_fewshot/score", 0] == summary["baseline"]["dev_fewshot"]["value"]
    for entry in summary["rounds"]:
        number = entry["round"]
        assert found["train/tokens", number] == entry["train_tokens"]
        for phase, seconds in entry["seconds"].items():
            assert found[f"seconds/{phase}", number] == seconds
        if entry["dev"]:
            assert found["dev/score", number] == entry["dev"]["value"]
            assert found["dev/stderr", number] == entry["dev"]["stderr"]
        else:
            assert ("dev/score", number) not in found
    test, guard = summary["test"], summary["guard"]
    assert found["test/before", 6] == test["before"]["value"]
    assert found["test/fewshot", 6] == test["before_fewshot"]["value"]
    assert found["test/after", 6] == test["after"]["value"]
    assert [found[f"test/gain{end}", 6] for end in ("", "_low", "_high")] == [test["delta"], *test["ci95"]]
    assert found["guard/score", 0] == guard["before"]["value"]
    assert [found[f"guard/{arm}", 6] for arm in ("before", "after")] == [
        guard[arm]["value"] for arm in ("before", "after")
    ]
    assert found["guard/gain", 6] == guard["delta"]


def test_the_guard_is_told_of_each_round_that_asked_it(data: ReportData) -> None:
    assert data.guard_before is not None
    score = data.guard_before.score.as_dict()
    views = [replace(view, guard=score if view.number in (2, 4) else None) for view in data.rounds]
    told = [point for point in tracking.points(replace(data, rounds=views)) if point.key == "guard/score"]
    assert [(point.step, point.value) for point in told] == [(step, score["value"]) for step in (0, 2, 4)]


def test_the_loss_goes_on_over_the_rounds_and_what_is_not_finite_is_counted(data: ReportData) -> None:
    losses = [loss for view in data.rounds for _, loss in view.losses]
    found = {point.step: point for point in tracking.points(data) if point.key == "train/loss"}
    assert {step: point.value for step, point in found.items()} == {
        step: loss for step, loss in enumerate(losses, start=1) if math.isfinite(loss)
    }
    times = [found[step].seconds for step in sorted(found)]
    assert times == sorted(times)
    bad = [point for point in tracking.points(data) if point.key == "train/losses_not_finite"]
    assert [(point.step, point.value) for point in bad] == [(5, 1)]


def test_a_test_that_has_been_chosen_by_has_another_name(data: ReportData) -> None:
    worn = replace(data, summary={**data.summary, "test_openings": 5})
    keys = {point.key for point in tracking.points(worn)}
    assert "test_worn/gain" in keys
    assert not any(key.startswith("test/") for key in keys)


def test_parameters_name_model_domain_recipe_seed_classifiers_and_hashes(data: ReportData) -> None:
    found = tracking.parameters(data)
    expected = {"model": "smollm2-135m-instruct", "domain": "helpdesk", "recipe": "lora", "seed": "1"}
    assert {key: found[key] for key in expected} == expected
    assert found["classifiers.empty"] == "1"
    assert found["model.sha256"] == data.manifest["model"]["sha256"]


def test_a_run_is_known_by_its_manifest(data: ReportData) -> None:
    later = made(rounds=2)
    assert tracking.run_key(later) == tracking.run_key(data)
    other = replace(data, manifest={**data.manifest, "created": "2026-02-01T10:00:01+00:00"})
    assert tracking.run_key(other) != tracking.run_key(data)


@pytest.mark.parametrize("created", [None, "yesterday", "0001-01-01T00:00:00+00:00", 5])
def test_a_run_whose_beginning_is_not_known_begins_at_zero(created: object, data: ReportData) -> None:
    assert tracking.began(replace(data, manifest={"created": created})) == 0.0


# --- TensorBoard


def accumulated(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    found.Reload()
    return found


def test_tensorboard_reads_back_every_figure(data: ReportData, tmp_path: Path) -> None:
    path = TensorboardReporter().render(data, tmp_path)
    found = accumulated(path.parent)
    expected: dict[str, dict[int, tuple[float, float]]] = {}
    for point in tracking.points(data):
        expected.setdefault(point.key, {})[point.step] = point.value, point.seconds
    assert set(found.Tags()["scalars"]) == set(expected)
    began = tracking.began(data)
    for key, values in expected.items():
        events = found.Scalars(key)
        assert [event.step for event in events] == list(values)
        assert [event.value for event in events] == pytest.approx([value for value, _ in values.values()], rel=1e-6)
        assert [event.wall_time - began for event in events] == pytest.approx(
            [seconds for _, seconds in values.values()], abs=1e-3
        )


def test_tensorboard_has_the_tables_as_text_and_the_parameters(data: ReportData, tmp_path: Path) -> None:
    from tensorboard.plugins.hparams import metadata

    found = accumulated(TensorboardReporter().render(data, tmp_path).parent)
    for sheet in tracking.sheets(data):
        (event,) = found.Tensors(f"tables/{sheet.name}")
        shown = event.tensor_proto.string_val[0].decode()
        assert shown.count("\n") >= min(100, len(sheet.rows)) + 1
        assert found.SummaryMetadata(f"tables/{sheet.name}").plugin_data.plugin_name == "text"
    raw = found.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(raw)
    assert {key: value.string_value for key, value in start.hparams.items()} == tracking.parameters(data)


def test_tensorboard_is_written_again_in_the_same_bytes(data: ReportData, tmp_path: Path) -> None:
    first = TensorboardReporter().render(data, tmp_path / "a")
    second = TensorboardReporter().render(made(), tmp_path / "b")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()
    TensorboardReporter().render(made(rounds=2, finished=False), tmp_path / "a")
    assert [path.name for path in first.parent.iterdir()] == [first.name]
    assert len(accumulated(first.parent).Scalars("dev/score")) == 3


# --- MLflow


def client(uri: str) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri)


def the_run(uri: str, experiment: str = "helpdesk") -> Any:
    reader = client(uri)
    (run,) = reader.search_runs([reader.get_experiment_by_name(experiment).experiment_id])
    return reader, run


def histories(reader: Any, run: Any) -> dict[tuple[str, int], list[float]]:
    found: dict[tuple[str, int], list[float]] = {}
    for key in run.data.metrics:
        for metric in reader.get_metric_history(run.info.run_id, key):
            found.setdefault((key, metric.step), []).append(metric.value)
    return found


def store(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if kind == "beside the report":
        return f"sqlite:///{folder / 'report' / 'mlflow' / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (folder / "mlruns").as_uri())
    return (folder / "mlruns").as_uri()


@pytest.mark.parametrize("kind", ["beside the report", "folder of files"])
def test_mlflow_reads_back_what_was_put_in_and_a_second_time_doubles_nothing(
    kind: str, data: ReportData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = store(kind, tmp_path, monkeypatch)
    receipt = MlflowReporter().render(data, tmp_path / "report")
    reader, run = the_run(uri)
    expected = {(point.key, point.step): [point.value] for point in tracking.points(data)}
    assert histories(reader, run) == expected
    assert run.data.params == tracking.parameters(data)
    assert run.data.tags[TAG] == tracking.run_key(data)
    assert run.info.run_name == data.summary["run"]
    assert run.info.status == "FINISHED"
    assert json.loads(receipt.read_text())["run_id"] == run.info.run_id
    files = {path.path for folder in ("report", "tables") for path in reader.list_artifacts(run.info.run_id, folder)}
    assert files == {
        *(f"report/{name}" for name in ("index.html", "summary.md", "summary.json")),
        *(f"tables/{sheet.name}.json" for sheet in tracking.sheets(data)),
    }
    page = Path(reader.download_artifacts(run.info.run_id, "report/index.html", str(tmp_path)))
    assert page.read_bytes() == HtmlReporter().render(data, tmp_path / "direct").read_bytes()
    table = json.loads(
        Path(reader.download_artifacts(run.info.run_id, "tables/cells.json", str(tmp_path))).read_text("utf-8")
    )
    sheet = next(sheet for sheet in tracking.sheets(data) if sheet.name == "cells")
    assert table == {"columns": list(sheet.columns), "data": [list(row) for row in sheet.rows]}

    first = receipt.read_bytes()
    assert MlflowReporter().render(data, tmp_path / "report").read_bytes() == first
    reader, again = the_run(uri)
    assert again.info.run_id == run.info.run_id
    assert histories(reader, again) == expected


def test_mlflow_gets_what_is_new_of_a_run_that_went_on_and_a_changed_figure_as_the_latest(
    data: ReportData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'all.db'}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    monkeypatch.chdir(tmp_path)  # where MLflow puts the artifacts of such a store
    early = made(rounds=2, finished=False)
    MlflowReporter().render(early, tmp_path / "report")
    reader, run = the_run(f"sqlite:///{tmp_path / 'all.db'}", "mine")
    assert run.info.status == "RUNNING"
    rescored = [dict(entry) for entry in data.summary["rounds"]]
    views = [replace(view, entry=entry) for view, entry in zip(data.rounds, rescored, strict=True)]
    rescored[0]["dev"] = {**rescored[0]["dev"], "value": 0.125}
    MlflowReporter().render(replace(data, rounds=views), tmp_path / "report")
    reader, run = the_run(f"sqlite:///{tmp_path / 'all.db'}", "mine")
    assert run.info.status == "FINISHED"
    found = histories(reader, run)
    assert sorted(found["dev/score", 1]) == sorted([early.rounds[0].entry["dev"]["value"], 0.125])
    assert {key: len(values) for key, values in found.items() if len(values) > 1} == {("dev/score", 1): 2}
    assert set(found) == {(point.key, point.step) for point in tracking.points(data)}
    assert len({run.info.run_id for run in reader.search_runs([run.info.experiment_id])}) == 1


def test_a_local_store_that_was_copied_from_elsewhere_is_refused(data: ReportData, tmp_path: Path) -> None:
    early = made(rounds=0, finished=False)
    MlflowReporter().render(early, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with pytest.raises(InputError, match=r"made in another folder.*remove it here"):
        MlflowReporter().render(early, tmp_path / "b")


def test_a_server_that_does_not_answer_is_one_line_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(EnvironmentFault, match=r"^MLflow at http://127\.0\.0\.1:9: ") as caught:
        MlflowReporter().render(made(rounds=0, finished=False), tmp_path)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


# --- what is missing


@pytest.mark.parametrize(
    ("name", "missing", "extra"),
    [("mlflow", "mlflow", "mlflow"), ("mlflow", "alembic", "mlflow"), ("tensorboard", "tensorboard", "tensorboard")],
)
def test_what_is_missing_is_said_with_the_command_before_anything_is_written(
    name: str, missing: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda module, *a: None if module == missing else find(module, *a))
    with pytest.raises(InputError, match=rf"^--format {name} needs {missing}, not .*'lm-eval-ratchet\[{extra}\]'$"):
        render(name, made(rounds=0, finished=False), tmp_path)
    assert list(tmp_path.iterdir()) == []
    result = CliRunner().invoke(cli, ["report", str(tmp_path), "--format", "md", "--format", name])
    assert isinstance(result.exception, InputError)
    assert "pip install" in str(result.exception)


def test_they_are_built_in_and_import_neither_their_package_nor_torch() -> None:
    modules = [BUILTIN[name].partition(":")[0] for name in ("mlflow", "tensorboard")]
    code = f"import sys, {', '.join(modules)}; print(sorted({{'torch', 'mlflow', 'tensorboard'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_tensorboard_and_mlflow_write_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys, warnings; warnings.simplefilter('ignore'); from pathlib import Path\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from report_fixture import make_report_data\n"
        "from harness.reporting.registry import render\n"
        "data = make_report_data(rounds=0, finished=False)\n"
        f"for name in ('tensorboard', 'mlflow'): print(render(name, data, Path({str(tmp_path)!r})).name)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["events.out.tfevents.0000000000.harness", "mlflow.json", "False"]


def test_a_run_with_a_local_store_still_verifies(tmp_path: Path) -> None:
    run = make_short_run(tmp_path / "run")
    paths = write_formats(run, ["mlflow", "tensorboard"])
    (run / "report" / "mlflow" / "mlflow.db-journal").write_text("by MLflow's own server", encoding="utf-8")
    findings = verify_run(run)
    assert lines(findings) == []
    assert "report/mlflow/: written by MLflow too; covered by no hash, used by nothing" in findings.notes
    paths[1].write_bytes(b"")
    assert [line.split(":")[0] for line in lines(verify_run(run))] == [paths[1].relative_to(run).as_posix()]
