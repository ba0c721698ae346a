"""A command that takes long shows that it is alive; a quick one says nothing."""

import io
import threading

import pytest

from gateway.cli.progress import still_at


class Watched(io.StringIO):
    """Something to print to that lets a test wait until something was printed."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal
        self.written = threading.Event()

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)


def test_what_is_quick_is_not_mentioned() -> None:
    out = Watched(is_terminal=True)
    with still_at("Counting", out):
        pass
    assert out.getvalue() == ""


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_takes_long_is_still_under_way(is_terminal: bool) -> None:
    out = Watched(is_terminal=is_terminal)
    with still_at("Counting", out, quiet_s=0.001) as progress:
        progress.detail = "7 sheep"
        assert out.written.wait(20)
    said = out.getvalue()
    assert "Counting: 0 s" in said
    # A terminal's line is taken away again; a file keeps what was said.
    assert said.endswith("\r\x1b[K" if is_terminal else "\n")


def test_a_failure_ends_it_as_well() -> None:
    out = Watched(is_terminal=True)

    def fail() -> None:
        with still_at("Counting", out, quiet_s=0.001):
            assert out.written.wait(20)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert out.getvalue().endswith("\r\x1b[K")
