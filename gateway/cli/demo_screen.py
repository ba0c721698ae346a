"""Where the demo prints: one line per step with how long it took, and a sign of life while a step takes long."""

import asyncio
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self, TextIO

from gateway.cli.demo_table import Colour, fit, painted
from gateway.cli.demo_words import Words

_QUIET_S: Final = 2.0
_WIDTH_OF_A_FILE: Final = 120


@dataclass(frozen=True, slots=True)
class Screen:
    """A place to print to, how wide it is, and whether it shows colours and can overwrite a line."""

    out: TextIO
    words: Words
    columns: int
    is_terminal: bool
    in_colour: bool

    @classmethod
    def on(cls, out: TextIO, words: Words, environment: Mapping[str, str] = os.environ) -> Self:
        """The screen behind `out`. Colours only on a terminal that has them, and never where NO_COLOR is set."""
        is_terminal = out.isatty()
        in_colour = is_terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
        columns = shutil.get_terminal_size((_WIDTH_OF_A_FILE, 24)).columns
        return cls(out, words, columns, is_terminal, in_colour)

    def say(self, text: str = "", colour: Colour | None = None) -> None:
        """Print one line."""
        print(painted(text, colour, in_colour=self.in_colour), file=self.out, flush=True)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Name a step, show that it is alive when it takes more than two seconds, and how long it took."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        timer: asyncio.TimerHandle | None = None

        def still() -> None:
            nonlocal timer
            seconds = loop.time() - started
            self._over(self.words.still.format(step=what, seconds=seconds))
            # A file need not be told every second.
            timer = loop.call_later(1.0 if self.is_terminal else 10.0, still)

        if self.is_terminal:
            self._over(f"… {what}")
        timer = loop.call_later(_QUIET_S, still)
        try:
            yield
        except BaseException:
            self._over(f"✗ {what}", end="\n")
            raise
        finally:
            timer.cancel()
        seconds = self.words.seconds.format(loop.time() - started)
        self._over(f"✓ {what}  {seconds}", end="\n")

    def _over(self, text: str, end: str = "") -> None:
        text = "  " + text
        if self.is_terminal:
            # Cut to the width: a line that wraps could not be overwritten.
            print(f"\r\x1b[K{fit(text, self.columns - 1)}", end=end, file=self.out, flush=True)
        else:
            print(text, file=self.out, flush=True)
