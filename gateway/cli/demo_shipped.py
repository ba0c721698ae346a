"""Finds files that ship beside the package: in a checkout they lie next to it, in an installed wheel in its `data`."""

from pathlib import Path

import gateway
from gateway.errors import InvalidRequest


def shipped_file(folder: str, name: str) -> Path:
    """`folder/name` as it was shipped."""
    package = Path(gateway.__file__).parent
    for place in (package / "data" / folder / name, package.parent / folder / name):
        if place.is_file():
            return place
    raise InvalidRequest(f"{folder}/{name} is missing: install Tidegate again.")
