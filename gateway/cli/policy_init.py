"""`tidegate policy init`: a commented policy to start from, with everything that checking, testing and proving needs.

What is written are the files that ship with the gateway, word for word; whatever is there already stays as it is.
"""

import argparse
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.cli.demo_shipped import shipped_file
from gateway.cli.endings import told
from gateway.cli.main import Subparsers
from gateway.cli.policy_files import POLICY, POOLS, TENANTS
from gateway.cli.problem_report import GOOD, MISUSED, report, text_of
from gateway.cli.spoken import add_language, language
from gateway.core.problems import Problem
from gateway.policy.schema import schema
from gateway.policy.words import Table, fill

EXAMPLES: Final = ("bank", "hospital", "startup")
DEFAULT: Final = "default"
_FOLDER: Final = "policies"
_SCHEMA: Final = "policy.schema.json"


def add_command(commands: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `init`."""
    init = commands.add_parser("init", help="write a commented policy to start from, with cases")
    init.add_argument("folder", metavar="DIR", type=Path, nargs="?", default=Path(), help="where; here if not given")
    init.add_argument(
        "--example", choices=(DEFAULT, *EXAMPLES), default=DEFAULT, help="which one to start from; default: %(default)s"
    )
    init.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    add_language(init)
    init.set_defaults(run=told(_init))


def starter(example: str) -> dict[str, bytes]:
    """The files of an example, by the name under which they are written."""
    home = _FOLDER if example == DEFAULT else f"{_FOLDER}/examples"
    return {
        POLICY: _at_home(home, example, home, f"{example}.yaml"),
        POOLS: _at_home(home, example, f"{home}/{example}", POOLS),
        TENANTS: _at_home(home, example, f"{home}/{example}", TENANTS),
        f"cases/{example}.yaml": _at_home(home, example, f"{_FOLDER}/cases", f"{example}.yaml"),
        _SCHEMA: schema().encode(),
    }


def _at_home(home: str, example: str, folder: str, name: str) -> bytes:
    """A shipped file with the places in its comments as they are in the new folder."""
    text = shipped_file(folder, name).read_text("utf-8")
    policy = f"{home}/{example}.yaml"
    places = {
        f"$schema=../{_SCHEMA}": f"$schema=./{_SCHEMA}",
        f" --policy {policy} {_FOLDER}/cases/{example}.yaml": "",
        policy: POLICY,
    }
    for there, here in places.items():
        text = text.replace(there, here)
    return text.encode()


def _init(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.folder
    files = starter(arguments.example)
    taken = [folder / name for name in files if (folder / name).exists() or (folder / name).is_symlink()]
    if taken:
        mend = "Nothing was written. Move it away, or name another folder."
        there = [Problem(str(path), 0, 0, "This file is there already.", mend) for path in taken]
        return report(there, json=arguments.json, spoken=language(arguments), status=MISUSED)
    for name, data in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(data)
        except OSError as error:
            message = f"This file cannot be written ({type(error).__name__})."
            unwritten = Problem(str(path), 0, 0, message, "Name a folder that you may write to.")
            return report([unwritten], json=arguments.json, spoken=language(arguments), status=MISUSED)
    if arguments.json:
        print(text_of({"ok": True, "problems": [], "written": [str(folder / name) for name in files]}))
        return GOOD
    spoken = language(arguments)
    print(fill(_WORDS, "written", spoken))
    for name in files:
        print(f"  {folder / name}")
    into = "" if folder == Path() else fill(_WORDS, "into", spoken, folder=folder)
    print(f"\n{fill(_WORDS, 'next', spoken, into=into)}")
    for command in ("check", "test", "prove"):
        print(f"  tidegate policy {command:<8}{fill(_WORDS, command, spoken)}")
    return GOOD


_WORDS: Final[Table] = MappingProxyType(
    {
        "written": ("Written:", "已写入："),
        "into": ("cd {folder}, then ", "cd {folder}，"),
        "next": (
            f"Next: {{into}}edit {POLICY} and {POOLS}, and after each change",
            f"接下来：{{into}}编辑 {POLICY} 和 {POOLS}，每次改完依次运行",
        ),
        "check": (
            "is it well formed, and does everything that it names exist?",
            "写得对不对，提到的名称是否都存在？",
        ),
        "test": ("do the cases in cases/ still come out as you expect?", "cases/ 里的用例是否仍符合预期？"),
        "prove": ("does every invariant hold in every state?", "每条底线是否在任何状态下都守得住？"),
    }
)
