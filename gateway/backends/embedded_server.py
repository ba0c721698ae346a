"""The embedded model's own process: llama.cpp's OpenAI server, from the `xllamacpp` wheel, on one GGUF file.

Run as `python -m gateway.backends.embedded_server`; `backends/embedded.py` starts and supervises it. The first line
of stdin is the API key (never an argument: those are public to the machine); the end of stdin ends the process. One
JSON line on stdout says `{"address": …}` once it serves, or `{"error": …}` before it exits with a status above 0.
"""

import argparse
import json
import os
import signal
import stat
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

from gateway.backends.tether import call_when_stdin_ends, signal_when_parent_dies

READY_KEY: Final = "address"
ERROR_KEY: Final = "error"
SHORTEST_KEY: Final = 16
MISSING: Final = "The embedded model needs the package `xllamacpp`: pip install 'tidegate[demo]'."

# llama.cpp's HTTP server keeps one thread per connection, idle ones included: with too few, `/health` would wait
# behind streams. They cost next to nothing while they wait.
_HTTP_THREADS: Final = 32
_LONGEST_SOCKET_PATH: Final = 107


class _CannotServe(Exception):
    """Why the server does not start; the sentence is for the person who started it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stdin ends; 0 then, 1 if it never served, 2 for wrong arguments."""
    arguments = _parser().parse_args(argv)
    # SIGKILL: the constructor of llama.cpp's server keeps the interpreter's lock while it loads the model.
    signal_when_parent_dies(signal.SIGKILL)
    report = _only_ours_on_stdout()
    try:
        return _serve(arguments, report)
    except _CannotServe as exc:
        print(json.dumps({ERROR_KEY: str(exc)}), file=report, flush=True)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway.backends.embedded_server", description=__doc__)
    parser.add_argument("--model-file", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--listen", required=True, help="unix:/path (in a folder that only you can enter) or HOST:PORT")
    parser.add_argument("--alias", default="embedded", help="what the server calls its model")
    parser.add_argument("--threads", type=int, default=1, help="threads that compute")
    parser.add_argument("--parallel", type=int, default=4, help="requests computed at the same time")
    parser.add_argument("--context", type=int, default=2048, help="tokens of context per request")
    parser.add_argument(
        "--log", action="store_true", help="let llama.cpp write its log to stderr; it may quote prompts"
    )
    return parser


def _only_ours_on_stdout() -> TextIO:
    # llama.cpp may print to stdout; the pipe to the parent must carry nothing but our line.
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return report


def _serve(arguments: argparse.Namespace, report: TextIO) -> int:
    key = _key_from_stdin()
    host, port = _place(arguments.listen)
    if not arguments.model_file.is_file():
        raise _CannotServe(f"There is no model file at {arguments.model_file}.")
    try:
        import xllamacpp
    except ModuleNotFoundError:
        raise _CannotServe(MISSING) from None
    except ImportError:
        raise _CannotServe("`xllamacpp` does not load here: its wheel is for another system or processor.") from None

    params = xllamacpp.CommonParams()
    params.model.path = str(arguments.model_file)
    params.model_alias = {arguments.alias}
    params.hostnames = [host]
    params.port = port
    params.api_keys = [key]
    params.n_parallel = arguments.parallel
    params.n_ctx = arguments.context * arguments.parallel
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = arguments.threads
    params.n_threads_http = _HTTP_THREADS
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    # Nothing but the model and its counters: no page, no cross-origin callers, no view into requests, no downloads.
    params.ui = params.endpoint_slots = params.endpoint_props = False
    params.endpoint_metrics = True
    params.cors_origins = ""
    params.offline = True
    params.verbosity = 3 if arguments.log else -1
    try:
        server = xllamacpp.Server(params)
    except RuntimeError:
        raise _CannotServe(
            f"llama.cpp does not start: {arguments.model_file} is not a model it can read, "
            f"or {arguments.listen} is taken. `--log` shows its own words."
        ) from None

    stop = threading.Event()
    call_when_stdin_ends(stop.set)
    print(json.dumps({READY_KEY: server.listening_address}), file=report, flush=True)
    stop.wait()
    if host.endswith(".sock"):
        Path(host).unlink(missing_ok=True)
    # Not through the interpreter's end: llama.cpp would first finish the answers it is writing, to nobody.
    os._exit(0)


def _key_from_stdin() -> str:
    # Read byte by byte: a buffered reader would take what the tether waits for.
    line = bytearray()
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    key = line.decode("ascii", "replace").strip()
    if len(key) < SHORTEST_KEY:
        raise _CannotServe(f"Write an API key of at least {SHORTEST_KEY} characters as the first line of stdin.")
    return key


def _place(listen: str) -> tuple[str, int]:
    if listen.startswith("unix:"):
        path = Path(listen.removeprefix("unix:"))
        _check_socket_path(path)
        return str(path), 0
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise _CannotServe(f"`{listen}` is not unix:/path or HOST:PORT.")
    return host.strip("[]"), int(port)


def _check_socket_path(path: Path) -> None:
    # llama.cpp takes a host that ends in `.sock` for a path, and makes the socket open to everybody (0755 less
    # umask): the folder is what keeps others out.
    if not path.is_absolute() or path.suffix != ".sock":
        raise _CannotServe(f"The socket {path} must be an absolute path that ends in `.sock`.")
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        raise _CannotServe(f"The socket's path is longer than {_LONGEST_SOCKET_PATH} bytes; choose a shorter folder.")
    try:
        folder = path.parent.stat()
    except OSError:
        raise _CannotServe(f"There is no folder {path.parent} for the socket.") from None
    if folder.st_uid != os.getuid() or folder.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise _CannotServe(f"The folder {path.parent} must be yours and closed to others: chmod 700 {path.parent}")
    if path.is_socket():  # left behind by a process that was killed
        path.unlink()


if __name__ == "__main__":
    sys.exit(main())
