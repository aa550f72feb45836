"""Named prompts: where they stand, what they change, and what ``harness baseline --prompts`` makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import TOY_SETTINGS, FakeWorkbench, at_the_command_line, open_toy, threshold
from toy import gold, skill_of, write_toy_tasks

from harness.cli.main import main
from harness.evaluation.domain import Domain, load_domain
from harness.evaluation.engine import Generation, GenerationRequest, Progress
from harness.evaluation.prompts import prompt_names, read_prompts, with_prompt
from harness.exceptions import InputError
from harness.locate import data_folder
from harness.loop.prepare import prepare
from harness.loop.prompts import chosen_names, score_prompts
from harness.loop.run import Run, baseline
from harness.reporting.load import write_reports
from harness.storage import read_json

TOY_PROMPTS = """\
toy_add:
  plain: "{{input}}"
  careful: "Carefully.\\n\\n{{input}}"
toy_reverse:
  careful: "Carefully, in {{skill}}.\\n\\n{{input}}"
  wordy: "{{'please ' * 100}}\\n\\n{{input}}"
"""


def bare(request: Any, field: str) -> Any:
    """A request or an example with the question alone, which is what the scripted model understands."""
    return replace(request, **{field: getattr(request, field).rpartition("\n\n")[2]})


class Careful(FakeWorkbench):
    """Does better when it is told to be careful, and with examples; remembers what it was trained on."""

    trained: Sequence[str] = ()

    def loglikelihood(self, requests: Sequence[Any], progress: Progress | None) -> list[Any]:
        return super().loglikelihood([bare(request, "context") for request in requests], progress)

    def train(self, examples: Sequence[Any], *arguments: Any) -> Any:
        self.trained = [example.prompt for example in examples]
        return super().train([bare(example, "prompt") for example in examples], *arguments)

    def generate(self, requests: Sequence[GenerationRequest], progress: Progress | None) -> list[Generation]:
        answers = super().generate(requests, progress)
        found = []
        for request, answer in zip(requests, answers, strict=True):
            question = request.prompt.rpartition("\n\n")[2]
            level = self._weights[skill_of(question)]
            level += 0.3 * ("Carefully" in request.prompt) + 0.2 * (request.prompt.count("\n\n") > 2)
            found.append(replace(answer, text=gold(question) if threshold(question) < level else answer.text))
        return found


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    folder = write_toy_tasks(tmp_path / "tasks")
    (folder / "prompts.yaml").write_text(TOY_PROMPTS)
    return folder


@pytest.fixture
def domain(tasks: Path) -> Domain:
    return load_domain("toy", [tasks])


# --- where they stand


def test_prompts_stand_in_a_file_beside_the_tasks(domain: Domain) -> None:
    assert list(domain.tasks["toy_add"].prompts) == ["plain", "careful"]
    assert list(domain.tasks["toy_reverse"].prompts) == ["careful", "wordy"]
    assert prompt_names(domain) == ["plain", "careful", "wordy"]


def test_prompts_stand_in_a_tasks_metadata(tasks: Path) -> None:
    path = tasks / "toy_add.yaml"
    path.write_text(path.read_text() + 'metadata:\n  version: 1.0\n  prompts:\n    shout: "{{input | upper}}"\n')
    handle = load_domain("toy", [tasks]).tasks["toy_add"]
    assert list(handle.prompts) == ["shout", "plain", "careful"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("toy_add: terse\n", ":1: expected 'name: template' lines, found str"),
        ("toy_add:\n  Terse: x\n", ":1: prompt name 'Terse': take lower-case letters, digits, '-' and '_', and not "),
        ("\ntoy_add:\n  default: x\n", ":2: prompt name 'default': take lower-case letters"),
        ("toy_add:\n  terse: [a]\n", ":1: prompt 'terse' is no text; write a template such as \"...{{input}}\""),
        ("toy_add:\n  terse: ' '\n", ":1: prompt 'terse' is no text"),
    ],
)
def test_malformed_prompts_are_refused_with_file_and_line(tasks: Path, text: str, message: str) -> None:
    (tasks / "prompts.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        load_domain("toy", [tasks])
    assert str(caught.value).startswith(f"{tasks / 'prompts.yaml'}{message}")


def test_a_name_in_both_places_is_refused(tasks: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_prompts("toy_add", {"prompts": {"plain": "{{input}}"}}, tasks)
    assert str(caught.value).endswith("prompts.yaml:1: prompt 'plain' is given twice for task 'toy_add'; drop one")


def test_lm_eval_itself_passes_the_file_over_and_asks_with_the_default(tasks: Path) -> None:
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(tasks), include_defaults=False)
    task = manager.load(["toy_add"])["tasks"]["toy_add"]
    doc = next(iter(task.test_docs()))
    assert task.doc_to_text(doc) == doc["input"]
    assert "prompts" not in manager.all_tasks


# --- what they change


def test_a_prompt_changes_every_turn_and_nothing_of_the_task_it_came_from(domain: Domain) -> None:
    before = domain.items("validation", "dev")[0]
    careful = with_prompt(domain, "careful")
    after = careful.items("validation", "dev")[0]
    assert after.prompt == f"Carefully.\n\n{before.prompt}"
    assert (after.item_id, after.target, after.cluster) == (before.item_id, before.target, before.cluster)
    assert careful.context(after, None, 2).count("Carefully.") == 3
    assert domain.items("validation", "dev")[0].prompt == before.prompt
    assert "Carefully" not in domain.context(before, None, 2)


def test_a_prompt_is_in_its_tasks_hash_and_in_no_other(domain: Domain, tasks: Path) -> None:
    def hashes(of: Domain) -> dict[str, str]:
        return {name: handle.config_hash for name, handle in of.tasks.items()}

    plain = with_prompt(domain, "plain")
    assert hashes(plain)["toy_reverse"] == hashes(domain)["toy_reverse"]
    assert hashes(plain)["toy_add"] != hashes(domain)["toy_add"]
    (tasks / "prompts.yaml").write_text(TOY_PROMPTS.replace("Carefully.", "Mind."))
    changed = load_domain("toy", [tasks])
    assert hashes(changed) == hashes(domain)  # another variant is no change of the task itself
    assert hashes(with_prompt(changed, "careful")) != hashes(with_prompt(domain, "careful"))
    assert hashes(with_prompt(changed, "plain")) == hashes(plain)


def test_tasks_may_have_prompts_of_their_own(domain: Domain) -> None:
    found = with_prompt(domain, {"toy_reverse": "careful", "toy_add": "default"})
    prompts = {item.task: item.prompt for item in found.items("validation", "dev")}
    assert prompts["toy_reverse"].startswith("Carefully, in reverse.\n\nWrite backwards:")
    assert prompts["toy_add"].startswith("What is")
    assert with_prompt(domain, "default").tasks == domain.tasks


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("carefull", "domain 'toy' has no prompt 'carefull'. Did you mean 'careful'?"),
        ({"toy_ad": "plain"}, "prompt: domain 'toy' has no task 'toy_ad'. Did you mean 'toy_add'?"),
        ({"toy_add": "wordy"}, "prompt: task 'toy_add' has no prompt 'wordy'. Known: careful, default, plain."),
    ],
)
def test_unknown_prompts_are_refused_naming_the_nearest(domain: Domain, prompt: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        with_prompt(domain, prompt)
    assert str(caught.value) == message


def test_every_prompt_of_the_shipped_domain_holds_the_item_and_what_a_right_answer_needs() -> None:
    domain = load_domain("helpdesk", [data_folder("tasks")])
    names = prompt_names(domain)
    assert len(names) >= 2
    shown = {handle.name: 0 for handle in domain.tasks.values() if handle.prompts}
    assert {"helpdesk_extraction", "helpdesk_routing", "helpdesk_grounded", "helpdesk_scope"} <= set(shown)
    for name in names:
        variant = with_prompt(domain, name)
        for item in variant.items("validation", "dev"):
            if name not in domain.tasks[item.task].prompts:
                continue
            expects = item.doc["expects"]
            needed = [item.doc["input"], *(expects.get("labels") or [])]
            if expects.get("refusal_sentence"):
                needed.append(expects["refusal_sentence"])
            assert all(text in item.prompt for text in needed), (name, item.task)
            shown[item.task] += 1
    for task, count in shown.items():
        assert count > 0, task
        assert 2 <= len(domain.tasks[task].prompts) <= 3, task


# --- beside one another


def opened(run_dir: Path, domain: Domain, workbench: FakeWorkbench, **options: Any) -> Run:
    settings = replace(TOY_SETTINGS, guard="", **options)
    prepared = prepare(domain, None, workbench, None, settings.fewshot, None)
    run = open_toy(run_dir, workbench, settings=settings, prepared=prepared)
    baseline(run)
    return run


def test_each_prompt_is_scored_in_both_arms_on_the_same_items(tmp_path: Path, domain: Domain) -> None:
    workbench = Careful(context_length=80)
    run = opened(tmp_path / "run", domain, workbench)
    found = score_prompts(run, chosen_names(run, "all"))
    scored = {(row["prompt"], row["shots"], row["skill"]): row for row in found["scores"]}
    assert {(name, shots) for name, shots, _ in scored} == {
        (name, shots) for name in ("default", "plain", "careful") for shots in (0, 2)
    }
    assert ("plain", 0, "reverse") not in scored  # it has no such prompt
    assert scored["plain", 0, "add"]["value"] == scored["default", 0, "add"]["value"]
    assert scored["careful", 0, "add"]["value"] > scored["default", 0, "add"]["value"] + 0.1
    assert scored["careful", 2, "add"]["value"] > scored["careful", 0, "add"]["value"]
    assert {row["n"] for row in scored.values()} == {20}
    assert found["zero_shot"]["chosen"] == {"toy_add": "careful", "toy_reverse": "careful"}
    assert found["any"]["chosen"] == {"toy_add": "careful, few-shot", "toy_reverse": "careful, few-shot"}
    zero = found["zero_shot"]
    assert zero["naive"]["fixed"] >= zero["honest"]["fixed"] > 0
    assert zero["failing"] == 40 - read_json(run.run_dir / "baseline" / "dev" / "scores.json")["score"]["correct"]
    assert found == read_json(run.run_dir / "baseline" / "prompts.json")


def test_a_prompt_that_does_not_fit_the_model_is_left_out_and_said(tmp_path: Path, domain: Domain) -> None:
    said: list[str] = []
    workbench = Careful(context_length=80)
    run = opened(tmp_path / "run", domain, workbench)
    run.listener.notice = said.append  # type: ignore[method-assign]
    found = score_prompts(run, ["wordy"])
    assert said == ["prompt 'wordy' is left out: with it 20 dev items exceed the model's 80 tokens"]
    assert {row["prompt"] for row in found["scores"]} == {"default"}
    assert found["zero_shot"]["honest"]["delta"] == 0.0


def test_done_evaluations_are_not_done_again(tmp_path: Path, domain: Domain) -> None:
    workbench = Careful(context_length=80)
    run = opened(tmp_path / "run", domain, workbench)
    first = score_prompts(run, ["careful"])
    asked = len(workbench.asked())
    assert score_prompts(run, ["careful"]) == first
    assert len(workbench.asked()) == asked
    score_prompts(run, ["plain", "careful"])
    assert len(workbench.asked()) == asked + 2


def test_without_few_shot_examples_there_is_one_arm(tmp_path: Path, domain: Domain) -> None:
    run = opened(tmp_path / "run", domain, Careful(context_length=80), fewshot=0)
    found = score_prompts(run, ["careful"])
    assert {row["shots"] for row in found["scores"]} == {0}
    assert "any" not in found
    write_reports(run.run_dir)
    assert "Start from" in (run.run_dir / "summary.md").read_text()


@pytest.mark.parametrize(
    ("asked", "names"), [("all", ["plain", "careful", "wordy"]), ("wordy,plain", ["plain", "wordy"]), ("default", [])]
)
def test_prompts_are_named_in_the_domains_order(tmp_path: Path, domain: Domain, asked: str, names: list[str]) -> None:
    run = opened(tmp_path / "run", domain, Careful(context_length=80))
    assert chosen_names(run, asked) == names


def test_unknown_names_and_a_run_with_another_prompt_are_refused(tmp_path: Path, domain: Domain, tasks: Path) -> None:
    run = opened(tmp_path / "run", domain, Careful(context_length=80))
    with pytest.raises(InputError) as caught:
        chosen_names(run, "plain,fancy")
    assert str(caught.value) == "--prompts: domain 'toy' has no prompt 'fancy'. Known: careful, plain, wordy."
    run.settings = replace(run.settings, prompt="careful")
    with pytest.raises(InputError, match="compares with the default prompt, and this run asks with 'careful'"):
        chosen_names(run, "all")
    (tasks / "prompts.yaml").unlink()
    run = opened(tmp_path / "other", load_domain("toy", [tasks]), Careful())
    with pytest.raises(InputError, match="domain 'toy' has no prompts but its own; write some under metadata"):
        chosen_names(run, "all")


# --- on the command line


Harness = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bench(tmp_path: Path, tasks: Path, monkeypatch: pytest.MonkeyPatch) -> list[FakeWorkbench]:
    """Settings for the toy in the current folder; the workbenches that were made."""
    return at_the_command_line(tmp_path, tasks, monkeypatch, lambda: Careful(context_length=80))


def test_baseline_says_which_prompt_to_start_from(
    bench: list[FakeWorkbench], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["baseline", "--prompts", "plain,careful"]) == 0
    out = capsys.readouterr().out
    assert "careful, best" in out
    assert "Start from 'prompt: careful' in harness.yaml" in out
    assert "judged on items that did not choose them; they cure" in out
    summary = read_json(Path("runs/toy/summary.json"))
    assert summary["prompts"] == read_json(Path("runs/toy/baseline/prompts.json"))
    page = Path("runs/toy/report/index.html").read_text(encoding="utf-8")
    assert '<section id="prompts"' in page


def test_the_chosen_prompt_is_a_setting_and_part_of_the_runs_identity(
    bench: list[FakeWorkbench], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["iterate", "--rounds", "1", "--prompt", "careful", "-q"]) == 0
    asked = [text for call in bench[-1].asked() for text in call.texts if "even" not in text]
    assert asked
    assert all("Carefully" in text for text in asked)
    trained = [text for text in bench[-1].trained if "even" not in text]
    assert trained
    assert all("Carefully" in text for text in trained)
    assert read_json(Path("runs/toy/manifest.json"))["identity"]["settings"]["prompt"] == "careful"
    capsys.readouterr()
    assert main(["iterate", "--rounds", "1", "-q"]) == 2
    assert "holds a run with other inputs" in capsys.readouterr().err
    assert main(["iterate", "--rounds", "1", "--prompt", "toy_add=careful", "--out", "runs/other", "-q"]) == 0
    asked = [text for call in bench[-1].asked() for text in call.texts]
    assert any(text.startswith("Write backwards") for text in asked)


def test_a_prompt_that_is_not_there_is_refused_before_anything_is_asked(
    bench: list[FakeWorkbench], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["baseline", "--prompts", "fancy"]) == 2
    assert "--prompts: domain 'toy' has no prompt 'fancy'" in capsys.readouterr().err
    assert bench[-1].history == []
    assert main(["baseline", "--prompt", "fancy"]) == 2
    assert "domain 'toy' has no prompt 'fancy'" in capsys.readouterr().err
