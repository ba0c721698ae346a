"""Plays a guide: every command block is run in order in one empty folder, every change is made, every output compared.

A `console` block holds commands after `$ ` and what they print; a line `…` stands for any number of lines. A `diff`
block whose first line is `--- FILE` changes that file, and what follows `# FILE` on a block's first line is written to
that file. `python -m tests.docs.guide docs/FILE.md` writes what is printed now into the guide.
"""

import contextlib
import functools
import io
import itertools
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.cli import policy_asked
from gateway.cli.main import main
from gateway.detect.scanner import RequestScanner, build_scanner
from gateway.ports import Recognizer

_BLOCK = re.compile(r"^```([a-z]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# The first line of a block that is a whole file.
_NAMED = re.compile(r"# ([a-z_]+\.(?:yaml|jsonl|py))\n")


@dataclass(frozen=True)
class Block:
    """One fenced block of a guide."""

    kind: str
    text: str


def blocks(guide: str) -> Iterator[Block]:
    """Every fenced block, in order."""
    return (Block(found[1], found[2]) for found in _BLOCK.finditer(guide))


def played(guide: str, folder: Path) -> str:
    """The guide with the outputs that its commands have now; `folder` is where they run."""
    play = _Play()

    def replay(found: re.Match[str]) -> str:
        block = Block(found[1], found[2])
        if block.kind == "console":
            return f"```console\n{play.console(block.text)}```"
        if block.kind == "diff":
            play.change(block.text)
        named = _NAMED.match(block.text)
        if named is not None:
            Path(named[1]).write_text(block.text[named.end() :], "utf-8")
        return found[0]

    with _in(folder), _quiet_scanner():
        return _BLOCK.sub(replay, guide)


class _Play:
    def __init__(self) -> None:
        self._status = 0

    def console(self, text: str) -> str:
        assert text.startswith("$ "), text
        said = ""
        for part in re.split(r"^(?=\$ )", text, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            printed = self._run(command[2:]).splitlines()
            said += "".join(f"{line}\n" for line in (command, *_elided(shown, printed)))
        return said

    def _run(self, command: str) -> str:
        program, *arguments = shlex.split(command)
        if program == "tidegate":
            return self._tidegate(arguments)
        if command == "echo $?":
            return f"{self._status}\n"
        if program == "cd":
            os.chdir(arguments[0])
        elif program == "cp":
            *sources, target = arguments
            for source in sources:
                shutil.copy(source, target)
        elif program == "mkdir":
            Path(arguments[0]).mkdir()
        else:
            raise AssertionError(f"the guide's test does not know how to run: {command}")
        return ""

    def _tidegate(self, arguments: list[str]) -> str:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                self._status = main(arguments)
            except SystemExit as ended:
                self._status = int(ended.code or 0)
        return out.getvalue()

    @staticmethod
    def change(text: str) -> None:
        """Make the change that a `diff` block shows."""
        head, *lines = text.splitlines()
        assert head.startswith("--- "), head
        assert all(line[:1] in ("-", "+", " ", "") for line in lines), text
        path = Path(head.removeprefix("--- "))
        before, after = _side(lines, "-"), _side(lines, "+")
        written = path.read_text("utf-8")
        assert written.count(before) == 1, f"{path} does not hold, once: {before}"
        path.write_text(written.replace(before, after), "utf-8")


def _elided(shown: list[str], printed: list[str]) -> list[str]:
    """What was printed, without the middle where the guide leaves one out."""
    if "…" not in shown:
        return printed
    before = shown.index("…")
    after = len(shown) - before - 1
    if len(printed) <= before + after:
        return printed
    return [*printed[:before], "…", *printed[len(printed) - after :]]


def _side(lines: list[str], sign: str) -> str:
    return "".join(f"{line[1:]}\n" for line in lines if line[:1] in (sign, " ", ""))


@contextlib.contextmanager
def _in(folder: Path) -> Iterator[None]:
    here = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)


@functools.cache
def _built(markers: tuple[str, ...], recognizers: tuple[Recognizer, ...]) -> RequestScanner:
    return build_scanner(markers, recognizers)


@contextlib.contextmanager
def _quiet_scanner() -> Iterator[None]:
    """The real scanner, built once for each set of markers and without a word about how long that takes."""
    from gateway.cli import policy_cases, policy_explain, scan

    users = (policy_asked, policy_cases, policy_explain, scan)
    real = policy_asked.scanner_for
    # What scanning takes is another time each time; a guide shows a usual one.
    ticks = itertools.count(0.0, 0.0004)
    clock, scan.perf_counter = scan.perf_counter, lambda: next(ticks)
    for user in users:
        user.scanner_for = lambda markers, recognizers: _built(tuple(markers), tuple(recognizers))
    try:
        yield
    finally:
        scan.perf_counter = clock
        for user in users:
            user.scanner_for = real


def environment_of(name: str) -> dict[str, str]:
    """The terminal of the reader of the guide called `name`."""
    return {"LC_ALL": "zh_CN.UTF-8" if name.endswith(".zh.md") else "en_US.UTF-8", "COLUMNS": "96"}


def rewrite(path: Path) -> None:
    """Write what the commands of a guide print now into it."""
    os.environ.update(environment_of(path.name))
    with tempfile.TemporaryDirectory() as folder:
        path.write_text(played(path.read_text("utf-8"), Path(folder)), "utf-8")


ENVIRONMENT = {name: environment_of(name) for name in ("policy.md", "policy.zh.md")}
"""The guides to the policy, and the terminal of their readers."""

if __name__ == "__main__":
    rewrite(Path(sys.argv[1]).absolute())
