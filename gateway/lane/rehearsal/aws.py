"""AWS's control plane on loopback, as a process: `python -m gateway.lane.rehearsal.aws --region REGION`.

moto answers, with `fleet.py` before its SageMaker. One JSON line on stdout says `{"url": …}` once it serves. It keeps
every call for whoever asks (`GET /tidegate/calls`), and forgets everything on `POST /moto-api/reset`. It looks at no
signature and must be reached by nobody else; the end of stdin, or of the parent, ends it.
"""

import argparse
import json
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from gateway.backends.tether import call_when_stdin_ends, signal_when_parent_dies
from gateway.lane.rehearsal.fleet import Fleet, Refused

CALLS: Final = "/tidegate/calls"
_RESET: Final = "/moto-api/reset"
_SCOPE: Final = re.compile(r"Credential=[^/]+/\d+/[a-z0-9-]+/([a-z0-9-]+)/")
_KEPT: Final = 1 << 20

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Front:
    """Before moto: keeps calls, and lets the fleet answer what moto cannot."""

    def __init__(self, moto: Wsgi, region: str, start_s: float) -> None:
        self._moto = moto
        self._region = region
        self._start_s = start_s
        self._calls: list[dict[str, object]] = []
        self._fleet = Fleet(region, start_s)
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == CALLS:
            return _json(start, "200 OK", self._calls)
        if path == _RESET:
            done = list(self._moto(environ, start))
            # moto begins with new stores, which the fleet is to look at.
            self._fleet = Fleet(self._region, self._start_s)
            self._calls = []
            return done
        service = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        body = self._kept(environ, service[1] if service is not None else "", target)
        if not target.startswith("SageMaker."):
            return self._moto(environ, start)
        with self._lock:
            try:
                answer = self._fleet.answer(target.removeprefix("SageMaker."), json.loads(body or b"{}"))
            except Refused as refusal:
                said = {"__type": "ValidationException", "message": str(refusal)}
                return _json(start, "400 Bad Request", said)
            if answer is None:
                return list(self._moto(environ, start))
        return _json(start, "200 OK", answer)

    def _kept(self, environ: dict[str, Any], service: str, target: str) -> bytes:
        """Note the call; its body, where it is small and text."""
        import io

        body = b""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if service != "s3" and length <= _KEPT:
            body = environ["wsgi.input"].read(length)
            environ["wsgi.input"] = io.BytesIO(body)
        self._calls.append(
            {
                "service": service,
                "target": target,
                "method": environ["REQUEST_METHOD"],
                "path": environ["PATH_INFO"],
                "query": environ.get("QUERY_STRING", ""),
                "body": body.decode("utf-8", "replace"),
            }
        )
        return body


def _json(start: Callable[..., Any], status: str, shown: object) -> Iterable[bytes]:
    body = json.dumps(shown).encode()
    start(status, [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))])
    return [body]


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stdin ends or SIGTERM; 0 then."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--region", required=True)
    parser.add_argument("--start-s", type=float, default=0.3, help="how long an endpoint takes")
    arguments = parser.parse_args(argv)
    signal_when_parent_dies(signal.SIGTERM)
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, Front(moto, arguments.region, arguments.start_s), threaded=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    call_when_stdin_ends(lambda: os._exit(0))
    sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}) + "\n")
    sys.stdout.flush()
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
