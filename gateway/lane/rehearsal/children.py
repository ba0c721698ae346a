"""The rehearsal's processes: the control plane, the runtime, the container; each tied to us and gone at the end.

The container runs what lies in the unpacked package, under Tidegate's own server or under SageMaker's real one. They
listen on loopback or on a Unix socket, and get nothing of our environment but the path.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.lane.deploy.aws import Keys

_STOP_S: Final = 10.0
_PORTS: Final = range(21_000, 32_767)  # the multi-model-server takes none above Java's Short.MAX_VALUE

# Run by the toolkit's own Python. It writes its properties to /etc and binds every address, unless told otherwise.
_TOOLKIT: Final = """
import sys
from sagemaker_inference import model_server

generated = model_server._generate_mms_config_properties
model_server.MMS_CONFIG_FILE = sys.argv[1]
model_server._generate_mms_config_properties = lambda *given: generated(*given).replace("0.0.0.0", "127.0.0.1")
model_server.start_model_server()
"""


class DidNotStart(Exception):
    """A process ended, or said nothing, before it served. The text is the process's name."""


@contextmanager
def control_plane(region: str) -> Iterator[str]:
    """AWS's control plane; its URL."""
    with _module("gateway.lane.rehearsal.aws", "--region", region, "--start-s", "0.5") as process:
        yield _url(process, "the control plane")


@contextmanager
def runtime(region: str, endpoint: str, container: str, keys: Keys) -> Iterator[str]:
    """SageMaker's runtime in front of a container; its URL."""
    told = json.dumps({"access_key": keys.access_key, "secret_key": keys.secret_key}).encode() + b"\n"
    arguments = ("--endpoint", f"{endpoint}={container}", "--region", region)
    with _module("gateway.lane.standin", *arguments, told=told) as process:
        yield _url(process, "the runtime")


@contextmanager
def own_server(model: Path, folder: Path) -> Iterator[str]:
    """The package's own `code/server.py` over a Unix socket."""
    place = f"unix:{folder / 'container.sock'}"
    arguments = (str(model / "code" / "server.py"), "--host", place, "--model-dir", str(model), "--drain-s", "1")
    settings = {"TIDEGATE_PARALLEL": "4", "TIDEGATE_CONTEXT": "1024"}
    log = folder / "container.log"
    with _module("gateway.lane.rehearsal.container", *arguments, environment=settings, log=log):
        yield place


@contextmanager
def multi_model_server(model: Path, folder: Path, python: Path) -> Iterator[str]:
    """SageMaker's real server over the package, run by a Python that has it; needs Java."""
    base, port = folder / "toolkit", _free_port()
    (base / "tmp").mkdir(parents=True)
    (base / "model").symlink_to(model)
    (base / "launch.py").write_text(_TOOLKIT)
    environment = {
        "PATH": f"{python.parent}:{os.environ.get('PATH', '')}",
        # The engine is not in the toolkit's environment.
        "PYTHONPATH": _engine_folder(base),
        "HOME": str(base),
        "TMPDIR": str(base / "tmp"),
        "TEMP": str(base / "tmp"),
        "LOG_LOCATION": str(base / "logs"),
        "METRICS_LOCATION": str(base / "logs"),
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        "TIDEGATE_CONTEXT": "1024",
    }
    command = (str(python), str(base / "launch.py"), str(base / "mms.properties"))
    with _running(command, environment, folder / "container.log"):
        yield f"http://127.0.0.1:{port}"


def _engine_folder(base: Path) -> str:
    import importlib.util

    found = importlib.util.find_spec("xllamacpp")
    (base / "lib").mkdir()
    if found is not None and found.origin is not None:
        (base / "lib" / "xllamacpp").symlink_to(Path(found.origin).parent)
    return str(base / "lib")


def _free_port() -> int:
    for port in range(_PORTS.start + os.getpid() % 5000, _PORTS.stop):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise DidNotStart("the multi-model-server")


@contextmanager
def _module(
    module: str,
    *arguments: str,
    told: bytes = b"",
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    inherited = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    package = str(Path(__file__).resolve().parents[3])
    inherited |= {"PYTHONPATH": package, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}
    command = (sys.executable, "-P", "-m", module, *arguments)
    with _running(command, inherited, log, told=told) as process:
        yield process


@contextmanager
def _running(
    command: tuple[str, ...], environment: Mapping[str, str], log: Path | None, *, told: bytes = b""
) -> Iterator["subprocess.Popen[bytes]"]:
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(log.open("ab")) if log is not None else None
        process = subprocess.Popen(  # noqa: S603 -- our own modules, and a Python that the caller names
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if out is None else out,
            stderr=subprocess.DEVNULL if out is None else out,
            env=dict(environment),
            start_new_session=True,
        )
        try:
            if process.stdin is not None and told:
                process.stdin.write(told)
                process.stdin.flush()
            yield process
        finally:
            _stop(process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    import signal

    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    # Its own group: the toolkit has a Java server and workers of its own.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _url(process: "subprocess.Popen[bytes]", what: str) -> str:
    line = process.stdout.readline() if process.stdout is not None else b""
    try:
        return str(json.loads(line)["url"])
    except (ValueError, LookupError):
        raise DidNotStart(what) from None
