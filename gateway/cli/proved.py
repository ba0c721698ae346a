"""Loading a folder and proving it: what `serve` and `config check` do before anything of it is believed.

The proof runs in a process of its own while this one reads the files and the secrets. How far it is shows on a
terminal once it takes longer than two seconds, and in the log where there is no terminal.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from gateway.cli.progress import QUIET_S, still_at
from gateway.core.problems import Problem, Problems
from gateway.runtime.clock import SystemClock
from gateway.runtime.proving import Progress, Proved, prover_command, proving
from gateway.settings import Settings, load
from gateway.telemetry import EventLog

LOG_EVERY_S: Final = 5.0

log = EventLog(__name__)


class NotProved(Problems):
    """The files are in order, and what they say does not hold or could not be shown to."""


def load_proved(
    directory: Path, environ: Mapping[str, str], telling: AbstractContextManager[Progress]
) -> tuple[Settings, Proved]:
    """What `directory` says, and the proof of it; raises Problems with everything that is wrong with either.

    `environ` is this process's own environment, which the prover has, too.
    """
    place = str(directory)
    settings: Settings | None = None
    problems: frozenset[Problem] = frozenset()
    with proving(prover_command(place), place, SystemClock()) as proof:
        try:
            settings = load(directory, environ)
        except Problems as found:
            problems = frozenset(found.problems)
        try:
            with telling as progress:
                proved = proof.result(progress)
        except Problems as found:
            if settings is not None:
                raise NotProved(found.problems) from None
            # What is wrong with the files themselves was found twice.
            raise Problems(problems | frozenset(found.problems)) from None
    if settings is None:
        raise Problems(problems)
    return settings, proved


def shown_or_logged() -> AbstractContextManager[Progress]:
    """For a command that serves: on the terminal if there is one, else as lines of the log."""
    return shown() if sys.stderr.isatty() else logged()


@contextmanager
def shown() -> Iterator[Progress]:
    """On standard error, for people."""
    with still_at("Proving the policy") as still:

        def progress(nodes: int, _: float) -> None:
            still.detail = f"{nodes:,} steps"

        yield progress


@contextmanager
def logged() -> Iterator[Progress]:
    """In the log."""
    log_at = QUIET_S

    def progress(nodes: int, passed_s: float) -> None:
        nonlocal log_at
        if passed_s >= log_at:
            log_at = passed_s + LOG_EVERY_S
            log.info("policy_proving", count=nodes, ms=round(passed_s * 1000))

    yield progress
