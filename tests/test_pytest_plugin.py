"""Gates as tests, in an inner pytest, on saved answers."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from gated import PLUGIN, four_of_five, item, keep_baseline, save_answers, write_project

pytest_plugins = ["pytester"]


@pytest.fixture
def project(pytester: pytest.Pytester) -> Path:
    return write_project(pytester.path, "gates:\n  - metric: acc >= 0.7\n  - no_regression:\n")


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest(*PLUGIN, "-p", "no:cacheprovider", *arguments)


def test_every_declared_gate_is_a_test_by_its_name(pytester: pytest.Pytester, project: Path) -> None:
    keep_baseline(project)
    result = run(pytester, "--harness", "--harness-run", "good", "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["harness.yaml::metric acc >= 0.7 PASSED*", "harness.yaml::no_regression PASSED*"])
    assert result.ret == 0


def test_a_regression_fails_with_numbers_and_the_answers_that_broke(pytester: pytest.Pytester, project: Path) -> None:
    keep_baseline(project)
    result = run(pytester, "--harness-run", "bad", "-k", "no_regression")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(
        ["*gate no_regression*", "FAIL: -20.0 points on 200 items*", "*item 0000000000000002*", "*asked: question 2"]
    )
    result.stdout.re_match_lines([r"\|\s*answer 2\s*\|\s*no idea\s*\|"])
    result.stdout.no_fnmatch_line("*pytest_gates.py*")  # no traceback


def test_without_a_baseline_the_gate_fails_and_names_the_flag(pytester: pytest.Pytester, project: Path) -> None:
    result = run(pytester, "--harness-run", "good")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*toy.json*--harness-update-baseline*"])
    assert not (project / "baselines").exists()


def test_a_baseline_of_other_items_is_refused_with_the_difference(pytester: pytest.Pytester, project: Path) -> None:
    save_answers(project / "fewer", four_of_five, items=190)
    keep_baseline(project, "fewer")
    result = run(pytester, "--harness-run", "good", "-k", "no_regression")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["*10 items are new*"])


def test_a_damaged_baseline_fails_the_gates_that_need_it_alone(pytester: pytest.Pytester, project: Path) -> None:
    path = keep_baseline(project)
    path.write_text("<<<<<<< ours\n" + path.read_text())
    result = run(pytester, "--harness-run", "good")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*toy.json:1: a merge conflict is in it*"])


@pytest.mark.parametrize(("setting", "passed"), [("fail", 0), ("pass", 1)])
def test_what_is_too_close_to_call_does_as_on_uncertain_says_and_says_so(
    pytester: pytest.Pytester, setting: str, passed: int
) -> None:
    write_project(pytester.path, f"on_uncertain: {setting}\ngates:\n  - metric: acc >= 0.8\n")
    result = run(pytester, "--harness-run", "good")
    result.assert_outcomes(passed=passed, failed=1 - passed)
    result.stdout.fnmatch_lines(["*(too close to call): metric acc >= 0.8: *"])


def test_a_gate_that_is_skipped_has_not_passed(pytester: pytest.Pytester, project: Path) -> None:
    pytester.makeconftest("""
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.skip(reason="not today"))
    """)
    result = run(pytester, "--harness-run", "good", "-k", "metric")
    result.assert_outcomes(errors=1, deselected=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*not today: a gate that is not judged has not passed*"])


def test_a_gate_of_an_unknown_metric_fails_with_the_nearest_and_others_are_judged(pytester: pytest.Pytester) -> None:
    write_project(pytester.path, "gates:\n  - metric: exact_mach >= 0.7\n  - metric: acc >= 0.7\n")
    result = run(pytester, "--harness-run", "good")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*harness.yaml:4*Did you mean 'exact_match'?*"])


def test_a_malformed_gate_is_an_error_while_collecting(pytester: pytest.Pytester) -> None:
    write_project(pytester.path, "gates:\n  - metrik: acc >= 0.7\n")
    result = run(pytester, "--harness-run", "good")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*harness.yaml:4: unknown gate 'metrik'. Did you mean 'metric'?"])


def test_answers_that_cannot_be_read_are_an_error_and_no_failure(pytester: pytest.Pytester, project: Path) -> None:
    result = run(pytester, "--harness-run", "missing")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*missing: no such file or folder*"])
    assert len(result.outlines) < 30  # none of pytest's own frames, which it shows of a setup


def test_what_gates_said_is_kept_for_the_history(pytester: pytest.Pytester, project: Path) -> None:
    keep_baseline(project)
    for _ in range(2):  # the second says the same
        run(pytester, "--harness-run", "good")
    run(pytester, "--harness-run", "bad", "-n", "2")
    lines = [json.loads(line) for line in (project / "runs" / "gates.jsonl").read_text().splitlines()]
    assert [{gate["state"] for gate in line["gates"]} for line in lines] == [{"pass"}, {"fail"}]


def test_a_gate_is_picked_by_its_node_id(pytester: pytest.Pytester, project: Path) -> None:
    result = run(pytester, "--harness-run", "good", "harness.yaml::metric acc >= 0.7")
    result.assert_outcomes(passed=1)


def test_gates_are_picked_and_left_out_by_the_marker(pytester: pytest.Pytester, project: Path) -> None:
    pytester.makepyfile("def test_plain(): pass")
    run(pytester, "--harness-run", "good", "-m", "not harness").assert_outcomes(passed=1, deselected=2)
    run(pytester, "--harness-run", "bad", "-m", "harness").assert_outcomes(failed=2, deselected=1)


def test_gates_are_collected_wherever_the_tests_lie(pytester: pytest.Pytester, project: Path) -> None:
    pytester.makeini("[pytest]\ntestpaths = tests")
    (project / "tests").mkdir()
    (project / "tests" / "test_plain.py").write_text("def test_plain(): pass")
    keep_baseline(project)
    for arguments in ((), ("tests",), (".",), ("tests", "harness.yaml")):
        run(pytester, "--harness-run", "good", *arguments).assert_outcomes(passed=3)
    run(pytester, "--harness-run", "good", "tests/test_plain.py::test_plain").assert_outcomes(passed=1)


def test_another_settings_file_may_be_named(pytester: pytest.Pytester, project: Path) -> None:
    (project / "other").mkdir()
    (project / "other" / "strict.yaml").write_text("domain: toy\nguard: ''\ngates:\n  - metric: acc >= 0.9\n")
    result = run(pytester, "--harness-config", "other/strict.yaml", "--harness-run", "good")
    result.assert_outcomes(failed=1)


def test_without_a_settings_file_harness_is_a_usage_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_plain(): pass")
    result = run(pytester, "--harness")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*harness.yaml: no such file; --harness collects the gates that it declares"])


def test_that_no_gate_is_declared_is_said(pytester: pytest.Pytester) -> None:
    write_project(pytester.path, gates="")
    pytester.makepyfile("def test_other(): pass")
    result = run(pytester, "--harness")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["harness: *harness.yaml declares no gates"])


def test_last_failed_runs_the_gate_that_failed(pytester: pytest.Pytester) -> None:
    project = write_project(pytester.path, "gates:\n  - metric: acc >= 0.6\n  - no_regression:\n")
    keep_baseline(project)
    pytester.makepyfile("def test_plain(): pass")
    save_answers(project / "worse", lambda number: four_of_five(number) and number % 13 != 0)
    first = pytester.runpytest(*PLUGIN, "--harness-run", "worse")
    first.assert_outcomes(passed=2, failed=1)
    pytester.runpytest(*PLUGIN, "--harness-run", "worse", "--lf").assert_outcomes(failed=1)
    fixed = pytester.runpytest(*PLUGIN, "--harness-run", "good", "--lf")
    fixed.assert_outcomes(passed=1)


def test_junit_has_a_test_case_a_gate_with_its_figures(pytester: pytest.Pytester, project: Path) -> None:
    keep_baseline(project)
    save_answers(project / "hostile", lambda number: number % 2 == 0, said="\x1b[31m<b>&]]>\x00")
    run(pytester, "--harness-run", "hostile", "--junit-xml=out.xml").assert_outcomes(failed=2)
    cases = {case.get("name"): case for case in ElementTree.parse(project / "out.xml").iter("testcase")}
    case = cases["metric acc >= 0.7"]
    figures = {each.get("name"): each.get("value") for each in case.iter("property")}
    assert figures["harness_state"] == "fail"
    assert float(figures["harness_value"] or "nan") == 0.5
    assert figures["harness_n"] == "200"
    failure = case.find("failure")
    assert failure is not None
    assert "<b>&]]>" in (failure.text or "")


def test_xdist_workers_judge_the_same_gates(pytester: pytest.Pytester, project: Path) -> None:
    keep_baseline(project)
    result = run(pytester, "--harness-run", "bad", "-n", "2")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*= harness gates =*", "FAIL: *", "2 gates: 0 passed, 2 failed"])


def test_the_baseline_is_written_by_the_flag_and_by_nothing_else(pytester: pytest.Pytester, project: Path) -> None:
    result = run(pytester, "--harness-run", "good", "--harness-update-baseline")
    result.assert_outcomes(passed=2)
    path = project / "baselines" / "toy.json"
    result.stdout.fnmatch_lines([f"baseline written: {path} (*80.0% of 200 items)"])
    written = path.read_bytes()
    run(pytester, "--harness-run", "bad").assert_outcomes(failed=2)
    assert path.read_bytes() == written
    assert len(json.loads(written)["answers"]) == 200


def test_a_baseline_is_written_once_with_xdist(pytester: pytest.Pytester, project: Path) -> None:
    result = run(pytester, "--harness-run", "good", "--harness-update-baseline", "-n", "2")
    result.assert_outcomes(passed=2)
    assert result.stdout.str().count("baseline written") == 1


def test_collecting_alone_writes_no_baseline(pytester: pytest.Pytester, project: Path) -> None:
    run(pytester, "--harness-run", "good", "--harness-update-baseline", "--collect-only")
    assert not (project / "baselines").exists()


def test_warnings_as_errors_are_the_users_tests_alone(pytester: pytest.Pytester, project: Path) -> None:
    keep_baseline(project)
    run(pytester, "--harness-run", "good", "-W", "error").assert_outcomes(passed=2)


def test_without_the_option_nothing_is_collected_and_nothing_of_the_package_loaded(
    pytester: pytest.Pytester, project: Path
) -> None:
    pytester.makepyfile("""
        import sys

        def test_plain():
            assert [name for name in sys.modules if name.startswith("harness.")] == ["harness.pytest_plugin"]
    """)
    result = pytester.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(passed=1)


def test_gates_on_saved_answers_need_no_torch(pytester: pytest.Pytester, project: Path) -> None:
    keep_baseline(project)
    pytester.makeconftest("""
        import sys

        def pytest_unconfigure():
            heavy = {"torch", "transformers", "lm_eval", "datasets", "pandas"} & sys.modules.keys()
            print("\\nloaded:", sorted(heavy))
    """)
    result = pytester.runpytest_subprocess(*PLUGIN, "--harness-run", "bad")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["loaded: []"])


def test_a_test_by_hand_asserts_what_a_gate_would_say(pytester: pytest.Pytester, project: Path) -> None:
    keep_baseline(project)
    pytester.makepyfile(f"""
        import pytest

        def test_good(harness):
            toy = harness.evaluate("toy")
            assert toy.score == pytest.approx(0.8)
            assert toy.by_skill == pytest.approx({{"add": 0.8, "reverse": 0.8}})
            toy.assert_metric("acc", ">= 0.7")
            toy.assert_no_regression("add", margin=0.05)
            toy.assert_category("wrong answer", "<= 30%")
            toy.assert_must_pass("{item(2)}")

        def test_bad(harness):
            harness.evaluate("toy").assert_metric("acc", ">= 0.9", skill="add")
    """)
    result = run(pytester, "--harness-run", "good", "-m", "harness", "-k", "test_")
    result.assert_outcomes(passed=1, failed=1, deselected=2)
    result.stdout.fnmatch_lines(["*AssertionError: FAIL: metric add acc >= 0.9*"])


def test_the_fixture_works_without_the_option_and_is_marked(pytester: pytest.Pytester, project: Path) -> None:
    pytester.makepyfile("""
        def test_hand(harness):
            assert harness.config.name == "harness.yaml"
    """)
    run(pytester).assert_outcomes(passed=1)
    run(pytester, "-m", "not harness").assert_outcomes(deselected=1)


def test_a_run_of_another_domain_is_refused_in_tests_by_hand(pytester: pytest.Pytester, short_run: Path) -> None:
    write_project(pytester.path)
    pytester.makepyfile("def test_hand(harness):\n    harness.evaluate('helpdesk')")
    result = run(pytester, "--harness-run", str(short_run), "-k", "test_hand")
    result.stdout.fnmatch_lines(["*is of a run of domain 'toy', not of 'helpdesk'*"])
