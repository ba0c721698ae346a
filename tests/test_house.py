"""The house keeps itself: rules that no linter knows, and proof that the floors' own tool would notice a breach."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GATEWAY = ROOT / "gateway"
SOURCES = sorted(GATEWAY.rglob("*.py"))
ROOMS = sorted(path.name for path in GATEWAY.iterdir() if (path / "__init__.py").exists())
LOCKS = ("base", "demo", "dev", "eval", "model")
MAX_LINES = 450

# Written in two halves, so that this file does not trip over itself.
REGISTRIES = ("pypi." + "org", "python" + "hosted.org", "registry.npm" + "js.org", "deb." + "debian.org")
MACHINE_PATHS = re.compile("(?<![A-Za-z0-9._~-])/(" + "wo" + "rk|ro" + "ot|ho" + "me/[a-z]+|Us" + "ers/[a-z]+)/")
BANNED_WORDS = re.compile(r"(?i)^(utils?|helpers?|common|misc|manager)$")
BANNED_ENDINGS = re.compile(r"(Manager|Helper|Utils?)$")

# Releases of litellm in 2026 carried a trojan: a lock names one that was looked at, or none.
LITELLM_LOOKED_AT = frozenset({"1.106.2"})

every_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
every_lock = pytest.mark.parametrize("lock", LOCKS)


def _tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so nothing says which files are the project's")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def _tracked_texts() -> Iterator[tuple[str, str]]:
    for path in _tracked():
        try:
            yield str(path.relative_to(ROOT)), path.read_text()
        except UnicodeDecodeError:
            continue  # a picture


def _entries(lock: str) -> dict[str, str]:
    """Each requirement of a lock with everything that belongs to it, on one line."""
    text = (ROOT / "requirements" / f"{lock}.lock").read_text().replace("\\\n", " ")
    return {line.partition("==")[0].strip(): line for line in text.splitlines() if line.strip()}


def test_no_tracked_file_names_a_package_registry() -> None:
    found = [f"{name}: {host}" for name, text in _tracked_texts() for host in REGISTRIES if host in text]
    assert found == []


def test_no_tracked_file_knows_the_machine_it_was_written_on() -> None:
    found = [f"{name}: {match[0]}" for name, text in _tracked_texts() for match in MACHINE_PATHS.finditer(text)]
    assert found == []


@every_lock
def test_every_locked_package_has_one_version_and_hashes(lock: str) -> None:
    entries = _entries(lock)
    assert entries
    for name, entry in entries.items():
        assert re.match(r"[a-z0-9._-]+==[^\s;]+", entry), name
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), name


@every_lock
def test_a_lock_names_no_place_to_fetch_from(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host|^-e", text, re.MULTILINE)


@pytest.mark.parametrize(("smaller", "larger"), [("base", "demo"), ("demo", "dev"), ("dev", "eval")])
def test_what_runs_is_what_was_tested(smaller: str, larger: str) -> None:
    tested = _entries(larger)
    assert [name for name, entry in _entries(smaller).items() if tested.get(name) != entry] == []


@every_lock
def test_no_lock_holds_a_litellm_that_nobody_looked_at(lock: str) -> None:
    entry = _entries(lock).get("litellm", "")
    assert not entry or entry.partition("==")[2].split()[0] in LITELLM_LOOKED_AT


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(entry for extra in project["optional-dependencies"].values() for entry in extra),
    ]
    names = {re.match(r"[A-Za-z0-9._-]+", entry)[0] for entry in wanted}  # type: ignore[index] -- each has a name
    explained = (ROOT / "docs" / "dependencies.md").read_text()
    assert sorted(name for name in names if f"`{name}`" not in explained) == []


@every_source
def test_every_module_says_what_it_owns(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path.name} has no docstring"


@every_source
def test_no_module_outgrows_a_reader(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


@every_source
def test_names_say_what_a_thing_is(path: Path) -> None:
    places = path.relative_to(GATEWAY).with_suffix("").parts
    classes = [node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
    assert [part for part in places if BANNED_WORDS.match(part)] == []
    assert [name for name in classes if BANNED_ENDINGS.search(name)] == []


def test_the_package_re_exports_nothing() -> None:
    body = ast.parse((GATEWAY / "__init__.py").read_text()).body
    assert [node for node in body if not isinstance(node, ast.Expr)] == []


def test_the_container_folder_is_no_package() -> None:
    folder = ROOT / "sagemaker"
    if not folder.exists():
        pytest.skip("sagemaker/ does not exist yet")
    assert not (folder / "__init__.py").exists(), "with an __init__.py it would hide the SDK's package of that name"


@pytest.mark.parametrize("document", ["README.md", "README.zh.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_the_modules_that_documents_name_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    named = set(re.findall(rf"\b(?:{'|'.join(ROOMS)})/[a-z_][a-z0-9_]*(?:\.py)?(?![\w/-])", text))
    files = {name.removesuffix(".py") for name in named}
    assert sorted(name for name in files if not _stands(name)) == []


def _stands(name: str) -> bool:
    return (GATEWAY / f"{name}.py").exists() or (GATEWAY / name).is_dir() or (ROOT / name).exists()


def test_the_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in _tracked()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text())
        if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists()
    ]
    assert broken == []


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    described = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert set(phony.split()) == described


def test_ci_runs_what_a_contributor_runs() -> None:
    steps = (ROOT / ".ci" / "run").read_text().splitlines()
    assert "make check" in steps
    assert "make test" in steps


def _lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run([str(program), "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=100)


def test_the_floors_stand() -> None:
    ran = _lint_imports(ROOT)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(
    ("module", "text", "contract"),
    [
        ("core/upstairs.py", "import gateway.runtime.mint\n", "Floors: each imports only from below"),
        ("attic.py", "", "Floors: each imports only from below"),
        ("core/dreamer.py", "import asyncio\n", "The core is pure"),
        ("runtime/phone.py", "import socket\n", "The network is touched only in listed files"),
        ("backends/forger.py", "import gateway.core.clearance\n", "Only the mint and the door"),
    ],
)
def test_a_breach_of_the_floors_is_noticed(tmp_path: Path, module: str, text: str, contract: str) -> None:
    shutil.copytree(GATEWAY, tmp_path / "gateway", ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "gateway" / module).write_text(f'"""A breach."""\n\n{text}')
    ran = _lint_imports(tmp_path)
    assert ran.returncode == 1
    *_, broken = ran.stdout.partition("Broken contracts")
    assert contract in broken
    assert Path(module).stem in broken
