"""How vLLM's server is started, tethered and ended: a stand-in named `vllm` takes its place and tells what it got.

vLLM itself needs gigabytes; that the real one is started by the same command was tried by hand (sagemaker/README.md).
"""

import itertools
import json
import os
import select
import subprocess
import sys

import pytest

from tests.sagemaker.container import CHAT, FOLDER, answer, inference

STAND_IN = """
import json, os, signal, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

if os.environ.get("STAND_IN_FAILS"):
    sys.exit(3)
if os.environ.get("STAND_IN_HANGS"):
    signal.pause()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.reply({})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        seen = {"argv": sys.argv[1:], "pid": os.getpid(), "asked": asked, "key": self.headers["authorization"]}
        seen["environ"] = {name: os.environ.get(name) for name in
                           ("VLLM_API_KEY", "VLLM_NO_USAGE_STATS", "DO_NOT_TRACK", "HF_HUB_OFFLINE")}
        message = {"role": "assistant", "content": json.dumps(seen)}
        self.reply({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    def reply(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


port = int(sys.argv[sys.argv.index("--port") + 1])
ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    folder = tmp_path / "lib" / "vllm" / "entrypoints" / "openai"
    folder.mkdir(parents=True)
    (folder / "api_server.py").write_text(STAND_IN)
    for package in (folder, folder.parent, folder.parent.parent):
        (package / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("TIDEGATE_ENGINE", "vllm")
    return tmp_path


def _ended(pid: int) -> bool:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 20)[0])
    finally:
        os.close(process)


def test_vllm_serves_on_loopback_with_a_secret_key_and_tells_nobody(stand_in, monkeypatch):
    monkeypatch.setenv("TIDEGATE_VLLM_ARGS", "--max-model-len 512 --tool-call-parser 'her mes'")
    monkeypatch.setenv("TIDEGATE_MAX_TOKENS", "77")
    model = inference.model_fn(str(stand_in))
    try:
        assert inference.healthy(model)
        reply, _ = answer({**CHAT, "repetition_penalty": 1.1}, model)
        seen = json.loads(reply["choices"][0]["message"]["content"])
    finally:
        model.close()
    argv = seen["argv"]
    given = dict(itertools.pairwise(argv))
    assert given["--host"] == "127.0.0.1"
    assert given["--model"] == str(stand_in)
    assert json.loads(given["--override-generation-config"]) == {"max_new_tokens": 77}
    assert argv[-4:] == ["--max-model-len", "512", "--tool-call-parser", "her mes"]
    key = seen["environ"]["VLLM_API_KEY"]
    assert seen["key"] == f"Bearer {key}"
    assert key not in argv
    assert {name: value for name, value in seen["environ"].items() if name != "VLLM_API_KEY"} == {
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
    }
    assert seen["asked"] == {**CHAT, "repetition_penalty": 1.1, "model": "tidegate"}
    assert _ended(seen["pid"])
    assert not inference.healthy(model)


def test_vllm_ends_with_the_process_that_started_it(stand_in):
    program = (
        f"import sys, os, signal; sys.path.insert(0, {str(FOLDER)!r}); import inference as i\n"
        f"model = i.model_fn({str(stand_in)!r})\n"
        'reply = i.predict_fn(i.input_fn(b\'{"messages": [{"role": "user", "content": "x"}]}\'), model)\n'
        "print(reply['choices'][0]['message']['content'], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert _ended(json.loads(done.stdout)["pid"])


def test_a_vllm_that_does_not_start_is_explained(stand_in, monkeypatch):
    monkeypatch.setenv("STAND_IN_FAILS", "1")
    with pytest.raises(inference.NotServable, match="vLLM did not start"):
        inference.model_fn(str(stand_in))


def test_a_vllm_that_is_never_ready_is_given_up(stand_in, monkeypatch):
    monkeypatch.setenv("STAND_IN_HANGS", "1")
    monkeypatch.setenv("TIDEGATE_START_S", "0.1")
    with pytest.raises(inference.NotServable, match="vLLM did not start"):
        inference.model_fn(str(stand_in))


@pytest.mark.parametrize("arguments", [[], ["tether"], ["abacus"]])
def test_the_file_as_a_program_says_how_it_is_used(arguments, capsys):
    assert inference.main(arguments) == 2
    assert "usage" in capsys.readouterr().err
