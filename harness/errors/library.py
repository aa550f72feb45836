"""The version of a library on which a classifier's answers depend."""

from __future__ import annotations


def versioned(version: str, distribution: str) -> str:
    """``version`` with the installed version of ``distribution``, as ``1 (symspellpy 6.10.1)``, or that it is missing.

    A classifier's version is frozen for a run: with another release of the library it is another classifier.
    """
    from importlib import metadata  # 20 ms, and not needed to import this package

    try:
        return f"{version} ({distribution} {metadata.version(distribution)})"
    except metadata.PackageNotFoundError:
        return f"{version} ({distribution} missing)"
