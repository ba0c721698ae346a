"""What the supervisor knows of the files: whether they have changed, what governs, and what of them was refused.

A bundle that shares its foundation with the one in force takes its place in the workers that serve; every one of them
says when. What does not come into force changes nothing: the reason is kept here for whoever asks, and the last good
bundle governs, in workers that are started after a death, too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.core.records import Refusal, RefusalCode
from gateway.ports import Clock
from gateway.runtime.bundle_shelf import digest_of
from gateway.runtime.children import Worker
from gateway.runtime.file_watch import LOOK_EVERY_S, FileWatch
from gateway.runtime.lifeline import InForce
from gateway.runtime.upgrade import NotLoaded, Prepared
from gateway.telemetry import EventLog

_PASSING: Final = frozenset({RefusalCode.CHANGED})
"""Reasons that say nothing of the files: they are looked at again."""

MOST_UNHEARD: Final = 20
"""Refusals that are kept while nobody is there to write them down; of more the newest."""

log = EventLog(__name__)


class Reloading:
    """`files` is the digest of those that are `watched`, which `bundle` on its `foundation` was made of."""

    def __init__(self, watched: Mapping[str, str], files: str, bundle: str, foundation: str, clock: Clock) -> None:
        self._clock = clock
        self._watch = FileWatch(_paths(watched), files, digest_of)
        self._foundation = foundation
        self._since = clock.wall()
        self._refusals = 0
        self._refused: NotLoaded | None = None
        self._refused_at = 0.0
        self._unheard: tuple[Refusal, ...] = ()
        self._is_by_files = False
        self._activating: Sequence[Worker] = ()
        self._until = 0.0
        self._began = 0.0
        self.bundle = bundle
        self.revision = 0
        """Rises with everything that workers must hear of."""

        self.every_s = LOOK_EVERY_S if watched else 1.0

    def told(self, bundle: str) -> InForce:
        """What a worker is told in which `bundle` is to govern."""
        earlier = self._unheard if self._refused is None else self._unheard[:-1]
        return InForce(bundle, self._since, self._refusals, self._refused, self._refused_at, earlier)

    def heard(self) -> None:
        """Whoever writes refusals down knows of all of them."""
        self._unheard = ()

    def is_wanted(self, now: float) -> bool:
        """Whether the files are to be prepared."""
        if self._activating or not self._watch.is_event(now):
            return False
        self._is_by_files = True
        return True

    def by_workers(self) -> None:
        """New workers are wanted, of the files as they are now."""
        self._is_by_files, self._activating = False, ()
        self._watch.take()

    def is_in_place(self, prepared: Prepared) -> bool:
        """Whether the workers that serve can take what was prepared."""
        return self._is_by_files and bool(self._foundation) and prepared.foundation == self._foundation

    def activate(self, prepared: Prepared, workers: Sequence[Worker], until: float) -> None:
        """`prepared` governs from now on; each of `workers` should say so before `until`."""
        self._activating, self._until, self._began = workers, until, self._clock.monotonic()
        self._come_into_force(prepared)

    def overdue(self, now: float) -> str | None:
        """Why new workers must take over from those that should have taken a bundle; None while all is well."""
        waiting = [worker for worker in self._activating if not worker.is_active and worker.process.poll() is None]
        if not self._activating:
            return None
        if waiting:
            return "a worker did not take the bundle in time" if now >= self._until else None
        took_ms = round((now - self._began) * 1000)
        log.info("reloaded", bundle=self.bundle, count=len(self._activating), ms=took_ms)
        self._activating = ()
        return None

    def give_up(self) -> None:
        """Nobody is waited for any more."""
        self._activating = ()

    def unchanged(self, prepared: Prepared) -> None:
        """The files say what governs already, in other words; what was refused before is mended."""
        self._watch.follow(_paths(prepared.watched), prepared.files)
        self._mended()
        log.info("reload_unchanged", bundle=self.bundle)

    def switched(self, prepared: Prepared) -> None:
        """New workers serve `prepared`."""
        self._foundation = prepared.foundation
        self._come_into_force(prepared)

    def refused(self, refused: NotLoaded | None) -> bool:
        """What was prepared does not come into force; whether it was because files had changed."""
        is_by_files, self._is_by_files = self._is_by_files, False
        if refused is not None:
            self._refusals += 1
            self._refused, self._refused_at = refused, self._clock.wall()
            self._unheard = (*self._unheard, refused.refusal(self._refused_at, self.bundle))[-MOST_UNHEARD:]
            self.revision += 1
            if _PASSING.intersection(refused.codes):
                self._watch.forget()
        return is_by_files

    def _come_into_force(self, prepared: Prepared) -> None:
        self._is_by_files = False
        if prepared.bundle != self.bundle:
            self.bundle, self._since = prepared.bundle, self._clock.wall()
        self._watch.follow(_paths(prepared.watched), prepared.files)
        self._mended()

    def _mended(self) -> None:
        self._refused = None
        self.revision += 1


def _paths(watched: Mapping[str, str]) -> Mapping[str, Path]:
    return {name: Path(path) for name, path in watched.items()}
