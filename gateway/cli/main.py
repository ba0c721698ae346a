"""The command line's front: which group of commands a line belongs to, and how each kind of failure ends.

Every group lives in a module of its own with `add_commands(subparsers)`, whose parsers set `run`, a function from
the parsed arguments to the exit status. A group is imported only when it is called, so that `--help` is quick and a
group's missing optional package is one sentence instead of a traceback.
"""

import argparse
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NoReturn, Protocol, cast

from gateway.core.problems import Problems
from gateway.errors import TidegateError

Subparsers = argparse._SubParsersAction  # argparse has no public name for what add_subparsers returns
Run = Callable[[argparse.Namespace], int]

GROUPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "serve": "run the gateway",
        "burst": "say how much of what may leave for the cloud does, for a while",
        "pool": "list the pools, or keep work away from one for a while",
        "demo": "run the gateway with a small real model and show where requests go",
        "top": "show live what a running gateway does",
        "usage": "say who has used how many tokens, what they cost, and what privacy cost",
        "cache": "show what is kept of answers, or destroy what is kept for a tenant",
        "keys": "create, list and revoke API keys",
        "policy": "write, check, test, prove, explain and compare policies",
        "scan": "find what is sensitive in texts and requests",
        "complexity": "say how hard prompts and requests look",
        "doctor": "say what is live, missing or misconfigured, and what to do",
        "config": "check and show the configuration",
        "audit": "verify the audit log",
        "explain": "say why a request went where it went",
        "sagemaker": "deploy, watch, scale and remove the endpoint for burst load",
    }
)

INTERRUPTED: Final = 130
"""The status that a shell gives a command ended by Ctrl-C: 128 and the signal's number."""


class _Group(Protocol):
    def add_commands(self, subparsers: "Subparsers[argparse.ArgumentParser]") -> None: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed and said why, 2 misused, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parsed = argparse.Namespace()
    try:
        parsed = _parser(_group_of(arguments)).parse_args(arguments)
        return cast(Run, parsed.run)(parsed)
    except Problems as exc:
        return _problems(exc, parsed)
    except TidegateError as exc:
        return _failed(exc.message)
    except _MissingPackage as exc:
        return _failed(f"`tidegate {exc.group}` needs the package `{exc.package}`, which is not installed. {exc.mend}")
    except BrokenPipeError:
        # The reader, `head` for example, has seen enough. Python would complain again when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except OSError as exc:
        place = f"{exc.filename}: " if exc.filename is not None else ""
        return _failed(f"{place}{exc.strerror or type(exc).__name__}")
    except KeyboardInterrupt:
        return INTERRUPTED


def _problems(found: Problems, parsed: argparse.Namespace) -> int:
    # Imported only now: `--help` is to be quick.
    report = importlib.import_module("gateway.cli.problem_report")
    spoken = importlib.import_module("gateway.cli.spoken")
    for line in report.lines(found.problems, spoken.language(parsed)):
        print(line, file=sys.stderr)
    return 1


def _failed(sentence: str) -> int:
    print(f"tidegate: {sentence}", file=sys.stderr)
    return 1


class _MissingPackage(Exception):
    def __init__(self, group: str, package: str) -> None:
        self.group = group
        self.package = package
        self.mend = "Install it with: pip install 'tidegate[demo]'" if group == "demo" else "Install Tidegate again."
        super().__init__(package)


class _Version(argparse.Action):
    # Looked up only when asked for: importlib.metadata reads the file system.
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"tidegate {importlib.metadata.version('tidegate')}")
        parser.exit()


def _group_of(arguments: Sequence[str]) -> str | None:
    # No option before the group takes a value, so the first word that is not an option names the group.
    return next((word for word in arguments if not word.startswith("-")), None)


def _parser(called: str | None) -> argparse.ArgumentParser:
    """The parser with the called group in full and the others by name only."""
    parser = argparse.ArgumentParser(
        prog="tidegate",
        description="The gateway between a company's apps and its language models: "
        "sensitive requests stay home, the rest may burst to the cloud.",
        epilog="`tidegate COMMAND --help` says more about each.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, does in GROUPS.items():
        if name == called:
            _load(name).add_commands(subparsers)
        else:
            subparsers.add_parser(name, help=does)
    return parser


def _load(name: str) -> _Group:
    try:
        return cast(_Group, importlib.import_module(f"gateway.cli.{name}"))
    except ModuleNotFoundError as exc:
        package = (exc.name or "").partition(".")[0]
        if package == "gateway":
            raise
        raise _MissingPackage(name, package) from None
