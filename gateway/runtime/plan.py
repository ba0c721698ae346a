"""What a supervisor is to run: made of files that were proved, by `cli/prepare.py`, and by nobody else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config.addresses import Listen
from gateway.runtime.control_book import FILE as CONTROLS_FILE
from gateway.runtime.lifeline import worker_command
from gateway.runtime.upgrade import prepare_command


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `certificate` is what workers are handed, sealed. `command` makes a worker's argument list from the
    configuration folder, its number and its fds; `prepare` that of the child that gets an upgrade ready. `files` is the
    digest of those that are `watched`, by their names on the shelf.
    """

    config_dir: Path
    audit_dir: Path
    data: Listen
    admin: Listen
    certificate: bytes
    workers: int = 1
    drain_s: float = 300.0
    command: Callable[[str, int, str], Sequence[str]] = worker_command
    bundle: str = ""
    prepare: Callable[[str], Sequence[str]] = prepare_command
    files: str = ""
    watched: Mapping[str, str] = field(default_factory=dict)
    foundation: str = ""

    @property
    def controls_file(self) -> Path:
        """Where the overrides of operations are kept."""
        return self.audit_dir.parent / CONTROLS_FILE
