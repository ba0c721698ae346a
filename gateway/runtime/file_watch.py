"""Notices that the files of a bundle are others than before, once whoever writes them has finished.

They are looked at a few times a second, and read only when one of them is another file than before and none has changed
for a moment since. What says the same as before is no event, and neither is a policy without its end marker: it is
half-written (policy.md).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gateway.core import written
from gateway.runtime.bundle_shelf import POLICY
from gateway.runtime.file_mark import Mark, mark_of

LOOK_EVERY_S: Final = 0.5
SETTLED_AFTER_S: Final = 0.5
"""How long nothing may have changed before it is read: an editor or a deployment writes one file after the other."""

_END: Final = b"..."


class FileWatch:
    """Watches `files`, by their names on the shelf. `known` is the digest of what they are known to say."""

    def __init__(self, files: Mapping[str, Path], known: str, digest_of: Callable[[Mapping[str, bytes]], str]) -> None:
        self._files = files
        self._known = known
        self._digest_of = digest_of
        self._marks: tuple[Mark, ...] | None = None
        self._changed_at: float | None = None

    def follow(self, files: Mapping[str, Path], known: str) -> None:
        """From now on these are the files, and `known` is what they say."""
        if dict(files) != dict(self._files):
            self._files, self._marks = files, None
        self._known = known

    def take(self) -> None:
        """Somebody reads the files as they are now, whatever they say."""
        self._marks, self._changed_at = self._now(), None
        self._known = self._digest_of(self._contents())

    def forget(self) -> None:
        """What was read was not to be relied upon: the same is an event once more."""
        self._known, self._marks = "", None

    def is_event(self, now: float) -> bool:
        """Whether the files say something else than what is known; said once. `now` is monotonic seconds."""
        marks = self._now()
        if marks != self._marks:
            self._marks, self._changed_at = marks, now
            return False
        if self._changed_at is None or now - self._changed_at < SETTLED_AFTER_S:
            return False
        self._changed_at = None
        contents = self._contents()
        if not _is_whole(contents.get(POLICY, b"")):
            return False
        digest = self._digest_of(contents)
        if digest == self._known:
            return False
        self._known = digest
        return True

    def _now(self) -> tuple[Mark, ...]:
        return tuple(mark_of(path) for path in self._files.values())

    def _contents(self) -> Mapping[str, bytes]:
        found = {}
        for name, path in self._files.items():
            try:
                with path.open("rb") as opened:
                    found[name] = opened.read(written.LARGEST_FILE + 1)
            except OSError:
                continue  # gone, or not to be read: whoever loads them says so
        return found


def _is_whole(policy: bytes) -> bool:
    """Whether the last line that is no comment is YAML's end marker."""
    lines = (line.rstrip() for line in reversed(policy.splitlines()))
    return next((line for line in lines if line and not line.startswith(b"#")), b"") == _END
