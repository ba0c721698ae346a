"""Where the steps of `tidegate sagemaker` are shown: one line each, with a sign of life while one takes long."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final, TextIO

from gateway.cli.sagemaker_words import say
from gateway.lane.deploy.plan import Act, Await, Bring, Kind, Step
from gateway.lane.deploy.upload import Tell
from gateway.policy.words import Language

_EVERY_S: Final = 15.0
_EVERY_ON_A_TERMINAL_S: Final = 0.2
_MIB: Final = 1 << 20


class Lines:
    """One line per step on `out`. `is_quiet` shows nothing."""

    def __init__(self, out: TextIO, language: Language, *, is_quiet: bool = False) -> None:
        self._out = out
        self._language = language
        self._is_quiet = is_quiet
        self._is_terminal = out.isatty()

    @contextmanager
    def step(self, step: Step) -> Iterator[Tell]:
        """Around one step."""
        with self._line(title(step, self._language), is_bytes=isinstance(step, Bring)) as tell:
            yield tell

    @contextmanager
    def measured(self, path: str) -> Iterator[Tell]:
        """Around reading a file."""
        with self._line(path, is_bytes=True) as tell:
            yield tell

    def interrupted(self) -> None:
        """Say what an interruption means: AWS goes on."""
        self._say(say("interrupted", self._language), is_last=True)

    @contextmanager
    def _line(self, what: str, *, is_bytes: bool) -> Iterator[Tell]:
        started = said = monotonic()

        def tell(done: int, whole: int) -> None:
            nonlocal said
            if monotonic() - said < (_EVERY_ON_A_TERMINAL_S if self._is_terminal else _EVERY_S):
                return
            said = monotonic()
            far = f"{done // _MIB} / {whole // _MIB} MiB" if is_bytes else f"{done} s"
            self._say(f"  … {what}  {far}", is_last=False)

        if self._is_terminal:
            self._say(f"  … {what}", is_last=False)
        try:
            yield tell
        except BaseException:
            self._say(f"  ✗ {what}", is_last=True)
            raise
        self._say(f"  ✓ {what}  {monotonic() - started:.1f} s", is_last=True)

    def _say(self, text: str, *, is_last: bool) -> None:
        if self._is_quiet:
            return
        if self._is_terminal:
            self._out.write(f"\r\x1b[K{text}" + ("\n" if is_last else ""))
        else:
            self._out.write(text + "\n")
        self._out.flush()


def title(step: Step, language: Language) -> str:
    """What a step is about, in a few words."""
    what = say(step.kind.value, language)
    match step:
        case Await(until=until):
            return say(f"wait_{until.value}", language, what=what, name=step.name)
        case Bring(size=size):
            return f"+ {what} {step.name} ({size / _MIB:.1f} MiB)"
        case Act(detail=detail):
            was = f" ({say('was', language, was=detail)})" if detail and step.kind is not Kind.COMPONENT else ""
            return f"{step.sign.value} {what} {step.name}{was}"
