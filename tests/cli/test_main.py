"""The command line's front: what loads when, and how each kind of failure ends."""

import re
import subprocess
import sys
from importlib.metadata import version
from types import SimpleNamespace

import pytest

from gateway.cli import main as front
from gateway.core.problems import Problem, Problems
from gateway.errors import TidegateError, Unavailable


def command(*, run=lambda _: 0):
    """A group's module with one command, `run NAME`."""

    def add_commands(subparsers) -> None:
        parser = subparsers.add_parser("keys", help="a group for the test")
        parser.add_argument("name", nargs="?")
        parser.set_defaults(run=run)

    return SimpleNamespace(add_commands=add_commands)


@pytest.fixture
def group(monkeypatch):
    """Puts a group of our own in the place of `keys`."""

    def install(**options) -> None:
        monkeypatch.setitem(sys.modules, "gateway.cli.keys", command(**options))

    return install


def raising(error: BaseException):
    def run(_) -> int:
        raise error

    return run


def test_a_command_gets_its_arguments_and_gives_the_exit_status(group):
    group(run=lambda arguments: len(arguments.name))
    assert front.main(["keys", "abc"]) == 3


def test_help_names_every_group_and_imports_none():
    program = (
        "import sys\nfrom gateway.cli.main import main\n"
        "try:\n    main(['--help'])\nfinally:\n"
        "    loaded = [name for name in sys.modules if name.startswith('gateway.cli.')]\n"
        "    assert loaded == ['gateway.cli.main'], loaded\n"
        "    assert not {'asyncio', 'yaml', 'fastapi', 'openai'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    for name in front.GROUPS:
        assert re.search(rf"\n    {name}\s", done.stdout)


@pytest.mark.parametrize("name", sorted(front.GROUPS))
def test_every_group_explains_itself(name, capsys):
    if name == "demo":
        pytest.importorskip("openai", reason="openai is not installed: run `make setup`")
    with pytest.raises(SystemExit) as stopped:
        front.main([name, "--help"])
    assert stopped.value.code == 0
    assert f"usage: tidegate {name}" in capsys.readouterr().out


def test_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as stopped:
        front.main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"tidegate {version('tidegate')}\n"


@pytest.mark.parametrize("line", [[], ["no-such-command"], ["keys", "one", "too-many"]])
def test_misuse_says_so_and_ends_with_2(line, group, capsys):
    group()
    with pytest.raises(SystemExit) as stopped:
        front.main(line)
    assert stopped.value.code == 2
    assert "usage: tidegate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (
            Problems([Problem("b.yaml", 2, 1, "Second."), Problem("a.yaml", 3, 4, "First.", "Mend it.")]),
            1,
            "a.yaml:3:4: First. Mend it.\nb.yaml:2:1: Second.\n",
        ),
        (TidegateError(), 1, "tidegate: The gateway failed to handle this request.\n"),
        (
            Unavailable("The model is not installed.", detail="secret place"),
            1,
            "tidegate: The model is not installed.\n",
        ),
        (
            PermissionError(13, "Permission denied", "/etc/keys.yaml"),
            1,
            "tidegate: /etc/keys.yaml: Permission denied\n",
        ),
        (OSError("quotes something"), 1, "tidegate: OSError\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_failure_is_a_sentence_and_a_status_never_a_traceback(error, status, said, group, capsys):
    group(run=raising(error))
    assert front.main(["keys"]) == status
    captured = capsys.readouterr()
    assert captured.err == said
    assert captured.out == ""


def test_a_bug_is_not_dressed_up_as_a_failure(group):
    group(run=raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        front.main(["keys"])


@pytest.mark.parametrize(
    ("name", "mend"), [("demo", "pip install 'tidegate[demo]'"), ("serve", "Install Tidegate again.")]
)
def test_a_missing_package_is_named_with_its_mend(name, mend, monkeypatch, capsys):
    def absent(module: str):
        raise ModuleNotFoundError(name="openai.types")

    monkeypatch.setattr(front.importlib, "import_module", absent)
    assert front.main([name]) == 1
    said = capsys.readouterr().err
    assert f"`tidegate {name}` needs the package `openai`" in said
    assert mend in said


def test_a_module_of_ours_that_is_missing_is_a_bug(monkeypatch):
    def absent(module: str):
        raise ModuleNotFoundError(name="gateway.cli.serve")

    monkeypatch.setattr(front.importlib, "import_module", absent)
    with pytest.raises(ModuleNotFoundError):
        front.main(["serve"])


def test_a_reader_that_has_seen_enough_is_no_failure():
    program = (
        "import sys\nfrom types import SimpleNamespace\nfrom gateway.cli.main import main\n"
        "def run(_):\n    sys.stdin.read()\n    print('x' * 1_000_000, flush=True)\n    return 0\n"
        "def add(subparsers):\n    subparsers.add_parser('keys').set_defaults(run=run)\n"
        "sys.modules['gateway.cli.keys'] = SimpleNamespace(add_commands=add)\n"
        "sys.exit(main(['keys']))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.close()
    _, said = child.communicate(b"", timeout=30)
    assert child.returncode == 0
    assert said == b""
