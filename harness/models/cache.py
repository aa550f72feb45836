"""The cache folder, and digests of large files that are computed once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from harness.exceptions import EnvironmentFault
from harness.storage import sha256_file, sha256_text, write_text

CACHE_VARIABLE = "HARNESS_CACHE"
_SMALL = 1_000_000  # bytes; below it reading the file costs no more than reading a note about it


def cache_root() -> Path:
    """The folder of everything that can be made again: ``$HARNESS_CACHE``, else the platform's cache directory."""
    named = os.environ.get(CACHE_VARIABLE, "").strip()
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("lm-eval-ratchet", appauthor=False))


def cache_folder(name: str) -> Path:
    """A folder of the cache, made if it is missing.

    Raises:
        EnvironmentFault: it cannot be made or written; names the variable that moves the cache.
    """
    folder = cache_root() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFault(
            f"cannot write the cache folder {folder}: {error.strerror or error};"
            f" set {CACHE_VARIABLE} to a folder that can be written"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise EnvironmentFault(
            f"cannot write the cache folder {folder}; set {CACHE_VARIABLE} to one that can be written"
        )
    return folder


def cached_sha256(path: Path) -> str:
    """Hex SHA-256 of a file; a large one's is remembered under its real path, size, times and inode.

    Hashing 538 MB takes about half a second to three seconds, too much for every start. Whatever writes to the file or
    puts another in its place changes one of the four, and the file is read again. A cache that cannot be written costs
    only the time.

    Raises:
        OSError: the file cannot be read.
    """
    real = path.resolve(strict=True)
    status = real.stat()
    if status.st_size < _SMALL:
        return sha256_file(real)
    identity = f"{real}\n{status.st_size}\n{status.st_mtime_ns}\n{status.st_ctime_ns}\n{status.st_ino}"
    note = cache_root() / "digests" / sha256_text(identity)
    try:
        remembered = note.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        remembered = ""
    if len(remembered) == hashlib.sha256().digest_size * 2:
        return remembered
    digest = sha256_file(real)
    try:
        write_text(note, digest + "\n")
    except EnvironmentFault:
        return digest  # a read-only cache (a container image, say) still serves
    return digest
