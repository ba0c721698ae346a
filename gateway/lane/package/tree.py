"""Finds the files that go into a package: a folder or a single file, without what leads out of it.

Links are followed only within the folder; what is neither a file nor a folder is a problem, not left out silently.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.core.parcel import Item, shown
from gateway.core.problems import Problem


@dataclass(frozen=True, slots=True)
class Source:
    """A file on this machine and its place in the package; `changed_ns` is when it was last written."""

    item: Item
    path: Path
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Tree:
    """What was found, sorted by path. `left_out` counts hidden files and caches."""

    sources: tuple[Source, ...]
    problems: tuple[Problem, ...] = ()
    left_out: int = 0

    @property
    def items(self) -> tuple[Item, ...]:
        """The files as the package will know them."""
        return tuple(source.item for source in self.sources)


def tree(root: Path, prefix: str = "") -> Tree:
    """The files under `root`, or `root` itself; raises OSError if it cannot be read."""
    if root.is_file():
        return Tree((_source(root, f"{prefix}{root.name}"),))
    inside = root.resolve(strict=True)
    found: list[Source] = []
    problems: list[Problem] = []
    left_out = 0
    for path in _walk(root):
        below = path.relative_to(root)
        if any(part.startswith(".") or part == "__pycache__" for part in below.parts):
            left_out += 1
            continue
        problem = _problem(path, inside)
        if problem is not None:
            problems.append(Problem(shown(str(below)), 0, 0, *problem))
        elif not path.is_dir():
            found.append(_source(path, f"{prefix}{below.as_posix()}"))
    return Tree(tuple(sorted(found, key=lambda source: source.item.path)), tuple(problems), left_out)


def _walk(root: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(root, onerror=_raise):
        # A link to a folder is listed as a folder and not walked into: it is to be told as a problem.
        yield from (Path(folder, name) for name in names if Path(folder, name).is_symlink())
        yield from (Path(folder, name) for name in files)


def _raise(error: OSError) -> None:
    raise error


def _problem(path: Path, inside: Path) -> tuple[str, str] | None:
    if path.is_symlink():
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):
            return "This link leads nowhere.", "Remove it."
        if not target.is_relative_to(inside):
            return "This link leads out of the folder.", "Put the file itself there."
        if target.is_dir():
            return "This is a link to a folder.", "Put the folder itself there."
    if not stat.S_ISREG(path.stat().st_mode):
        return "This is neither a file nor a folder.", "Remove it."
    return None


def _source(path: Path, name: str) -> Source:
    found = path.stat()
    return Source(Item(name, found.st_size), path, found.st_mtime_ns)
