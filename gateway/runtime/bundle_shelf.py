"""The files of bundles that came into force, kept as they were written: what evidence and comparisons are made from.

A folder for each bundle, by its digest, beside its certificate. Nothing here is secret: files name where secrets are.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.runtime.whole_file import replace_file

FOLDER: Final = "bundles"
POLICY: Final = "policy.yaml"
POOLS: Final = "pools.yaml"
TENANTS: Final = "tenants.yaml"
RECOGNIZERS: Final = "recognizers.yaml"
"""What the files are called here, whatever gateway.yaml calls them."""

_NEEDED: Final = (POLICY, POOLS, TENANTS)


def shelve(state_dir: Path, bundle: str, files: Mapping[str, bytes]) -> None:
    """Keep `files` as those of `bundle`. Raises OSError."""
    folder = state_dir / FOLDER / bundle
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, data in files.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != data:
            replace_file(path, data)


def digest_of(files: Mapping[str, bytes]) -> str:
    """One name for `files` as they are, whether or not they are any good."""
    named = (f"{name} {hashlib.sha256(data).hexdigest()}\n" for name, data in sorted(files.items()))
    return hashlib.sha256(("tidegate/v1 files\n" + "".join(named)).encode()).hexdigest()


def folder_of(state_dir: Path, bundle: str) -> Path | None:
    """Where the files of `bundle` are; None if they are not all here."""
    folder = (state_dir / FOLDER / bundle).absolute()
    return folder if all((folder / name).is_file() for name in _NEEDED) else None


def shelved(state_dir: Path, bundle: str) -> Mapping[str, bytes]:
    """The files of `bundle`, by their names; none if it is not known here."""
    folder = state_dir / FOLDER / bundle
    if not folder.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix == ".yaml"}
