"""Nothing starts that was not proved: real processes, from files that do not hold to a worker with a wrong paper."""

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from gateway.detect.scanner import scanner_digest
from gateway.policy.certificate import Certificate
from gateway.policy.prove import prove
from gateway.runtime import certified
from gateway.runtime.board import Board
from gateway.runtime.keyring import Keyring, Purpose
from gateway.runtime.lifeline import fds_argument, handed_over, worker_command
from gateway.settings import load, load_bundle
from tests.fakes.house import POLICY, write_config
from tests.paths.served import ROOT, serving

# Each line means something, and two of them what nobody meant: a refusal that never comes, and an address that leaves.
HOLES = POLICY.replace(
    "  - {id: cloud,",
    '  - {id: late, when: {model: chat-cloud, label: ">= restricted"}, deny: Too late.}\n  - {id: cloud,',
).replace("rules:\n", "rules:\n    - {any_of: [URL], label: internal}\n")
READY = b'{"type":"ready"}'


def edit(config: Path, name: str, old: str, new: str) -> None:
    path = config / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


async def served_to_its_end(config: Path) -> tuple[int, list[str]]:
    async with serving(config) as served:
        status = await asyncio.wait_for(served.process.wait(), 60)
    return status, served.lines


def events(lines: list[str]) -> list[str]:
    """What the log says, but for how far the proof is: that is said where it takes long."""
    named = [json.loads(line)["event"] for line in lines if line.startswith("{")]
    return [event for event in named if event != "policy_proving"]


async def test_a_policy_that_does_not_hold_refuses_to_start_with_every_problem_and_its_place(tmp_path):
    config = tmp_path / "config"
    write_config(config, {}, policy=HOLES)
    (config / "secrets" / "admin.token").unlink()
    status, lines = await served_to_its_end(config)
    assert status == 1
    assert events(lines) == ["configuration_refused"]
    told = [line for line in lines if line.startswith(str(config))]
    # The file that is missing, and what the prover found: all at once.
    assert any(line.startswith(f"{config}/gateway.yaml:") and "does not exist" in line for line in told)
    row = 1 + [line.strip().startswith("- {id: late") for line in HOLES.splitlines()].index(True)
    assert any(line.startswith(f"{config}/policy.yaml:{row}:") and "`late`" in line for line in told)
    assert any(line.startswith(f"{config}/policy.yaml:") and "`URL`" in line for line in told)
    assert not (config / "state" / "certificates").exists()


async def test_a_policy_over_the_provers_budget_is_not_proved_and_refuses_to_start(tmp_path):
    config = tmp_path / "config"
    write_config(config, {})
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import sys, gateway.policy.prove as prove\n"
        "if 'gateway.cli.prover' in sys.orig_argv:\n"
        "    prove.prove.__kwdefaults__['most_nodes'] = 1\n"
    )
    environ = {"PYTHONPATH": f"{ROOT}:{site}"}
    async with serving(config, environ) as served:
        assert await asyncio.wait_for(served.process.wait(), 60) == 1
    assert events(served.lines) == ["configuration_refused"]
    assert "not proved" in "".join(served.lines)


async def test_what_is_proved_starts_and_leaves_its_certificate_and_the_certificates_hash(tmp_path):
    config = tmp_path / "config"
    write_config(config, {})
    async with serving(config) as served:
        await served.port()
        bundle = (await served.event("bundle_proved"))["bundle"]
        assert (await served.event("worker_ready"))["bundle"] == bundle
        said = events(served.lines)
        assert said.index("bundle_proved") < said.index("worker_started")
        await served.stop()
    kept = json.loads((config / "state" / "certificates" / f"{bundle}.json").read_bytes())
    assert kept["certificate"]["bundle"] == bundle
    assert {outcome for _, _, outcome in kept["certificate"]["verdicts"]} == {"proved"}
    certificate = json.dumps(kept["certificate"], separators=(",", ":"), ensure_ascii=False).encode()
    (segment,) = (config / "state" / "audit").glob("2*.jsonl")
    (activation,) = [json.loads(line)["activation"] for line in segment.open() if '"activation":' in line]
    assert activation["bundle"] == bundle
    assert activation["certificate"] == hashlib.sha256(certificate).hexdigest()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("policy.yaml", "version: 1\n", "version: 2\n"),
        ("policy.yaml", "marker: [机密,", "marker: [机密, 内部,"),
        ("pools.yaml", "max_in_flight: 64", "max_in_flight: 65"),
        ("tenants.yaml", "plain: {class: default}", "plain: {class: hospital}"),
    ],
)
async def test_a_worker_that_finds_other_files_than_were_proved_does_not_start(tmp_path, name, old, new):
    """What was proved is kept, and read from there by workers that are started later: somebody has changed that."""
    config = tmp_path / "config"
    write_config(config, {})
    async with serving(config) as served:
        await served.port()
        proved = (await served.event("bundle_proved"))["bundle"]
        edit(config / "state" / "bundles" / proved, name, old, new)
        os.kill(await served.worker(), signal.SIGKILL)
        refused = await served.event("bundle_unproved")
        assert "another bundle" in refused["reason"]
        assert await asyncio.wait_for(served.process.wait(), 30) == 77
    assert sum('"worker_ready"' in line for line in served.lines) == 1


async def test_a_worker_that_is_started_after_an_edit_serves_what_was_proved(tmp_path):
    config = tmp_path / "config"
    write_config(config, {})
    async with serving(config) as served:
        await served.port()
        proved = (await served.event("bundle_proved"))["bundle"]
        # No end marker: an edit that nobody has finished.
        edit(config, "policy.yaml", "\n...\n", "\n")
        os.kill(await served.worker(), signal.SIGKILL)
        async with asyncio.timeout(60):
            while sum('"worker_ready"' in line for line in served.lines) < 2:  # noqa: ASYNC110 -- lines of a process
                await asyncio.sleep(0.05)
        ready = [json.loads(line) for line in served.lines if '"worker_ready"' in line]
        assert [one["bundle"] for one in ready] == [proved, proved]
        await served.stop()


class Paper:
    """What a worker of `config` may be handed."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.key = load(config, {}).keyring().keyed_hash(Purpose.CERTIFICATES)
        _, bundle = load_bundle(config, {})
        digest = bundle.with_scanner(scanner_digest(bundle.policy.markers)).digest
        self.certificate = Certificate.of(prove(bundle.policy), digest).to_bytes()
        self.digest = digest

    def good(self) -> bytes:
        return certified.seal(self.certificate, self.key)

    def none(self) -> bytes:
        return b""

    def truncated(self) -> bytes:
        return self.good()[:-1]

    def forged(self) -> bytes:
        return certified.seal(self.certificate, Keyring(bytes(32)).keyed_hash(Purpose.CERTIFICATES))

    def edited(self) -> bytes:
        other = certified.seal(self.certificate.replace(self.digest.encode(), b"0" * 64), self.key)
        return self.good().replace(self.certificate, json.dumps(json.loads(other)["certificate"]).encode())

    def of_another_bundle(self) -> bytes:
        return certified.seal(self.certificate.replace(self.digest.encode(), b"0" * 64), self.key)

    def for_another_purpose(self) -> bytes:
        return certified.seal(self.certificate, load(self.config, {}).keyring().keyed_hash(Purpose.AUDIT))


def worker(config: Path, paper: bytes) -> subprocess.CompletedProcess[bytes]:
    """A worker process that is handed `paper`, told to stop once it is ready."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    fd = handed_over(paper)
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as data, contextlib.closing(Board.made(1)) as board:
        process = subprocess.Popen(
            worker_command(str(config), 0, fds_argument(data.fileno(), None, theirs.fileno(), fd, board.fileno())),
            pass_fds=(data.fileno(), theirs.fileno(), fd, board.fileno()),
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        theirs.close()
        os.close(fd)
        ours.settimeout(40)
        while (message := ours.recv(4096)) and message != READY:
            pass
        if message:
            process.terminate()
        _, said = process.communicate(timeout=40)
    return subprocess.CompletedProcess(process.args, process.returncode, message, said)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("none", "there is no certificate"),
        ("truncated", "the certificate cannot be read"),
        ("forged", "the certificate's seal is not ours"),
        ("edited", "the certificate's seal is not ours"),
        ("for_another_purpose", "the certificate's seal is not ours"),
        ("of_another_bundle", "the certificate is for another bundle: the files changed since they were proved"),
    ],
)
def test_a_worker_without_the_right_paper_refuses_to_start(tmp_path, kind, reason):
    config = tmp_path / "config"
    write_config(config, {})
    ended = worker(config, getattr(Paper(config), kind)())
    assert ended.returncode == 77
    assert ended.stdout == b""
    (event,) = [json.loads(line) for line in ended.stderr.splitlines()]
    assert (event["event"], event["reason"]) == ("bundle_unproved", reason)


def test_a_worker_with_the_right_paper_starts(tmp_path):
    config = tmp_path / "config"
    write_config(config, {})
    ended = worker(config, Paper(config).good())
    assert ended.stdout == READY
    assert ended.returncode == 0


def test_the_policy_with_holes_loads_and_only_its_proof_fails(tmp_path):
    """Otherwise the first test would say nothing about the proof."""
    config = tmp_path / "config"
    write_config(config, {}, policy=HOLES)
    _, bundle = load_bundle(config, {})
    assert not prove(bundle.policy).is_proved
