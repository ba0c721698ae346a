"""The stand-in as a process of its own: `python -m gateway.lane.standin --endpoint NAME=http://127.0.0.1:PORT …`.

Credentials come as one JSON object, `{"access_key", "secret_key", "session_token"}`, on the first line of stdin or in
a file, never as an argument. One JSON line on stdout says `{"url": …}` once it serves, or `{"error": …}` before it
exits with a status above 0. The end of stdin, or of the parent, ends it.
"""

import argparse
import asyncio
import json
import os
import signal
import ssl
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec

from gateway.backends.tether import call_when_stdin_ends, signal_when_parent_dies
from gateway.config.addresses import Listen
from gateway.lane.control import controlled
from gateway.lane.listener import listen_address
from gateway.lane.service import Standin
from gateway.lane.signatures import Credentials

URL_KEY: Final = "url"
CONTROL_KEY: Final = "control"
ERROR_KEY: Final = "error"


class CannotServe(Exception):
    """Why the stand-in does not start; the sentence is for the person who started it."""


class _WrittenCredentials(msgspec.Struct, forbid_unknown_fields=True):
    access_key: str
    secret_key: str
    session_token: str | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stdin ends or SIGTERM; 0 then, 1 if it never served, 2 for wrong arguments."""
    arguments = _parser().parse_args(argv)
    signal_when_parent_dies(signal.SIGTERM)
    try:
        asyncio.run(_serve(arguments))
    except CannotServe as exc:
        _say({ERROR_KEY: str(exc)})
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway.lane.standin", description=__doc__)
    parser.add_argument(
        "--endpoint",
        action="append",
        required=True,
        metavar="NAME=URL",
        help="an endpoint and its container, http://HOST:PORT or unix:/path; may be repeated",
    )
    parser.add_argument("--region", required=True, help="the region that signatures must name")
    parser.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT (port 0: any) or unix:/path")
    parser.add_argument("--credentials", type=Path, metavar="FILE", help="read them from FILE instead of from stdin")
    parser.add_argument("--control", metavar="ADDRESS", help="where tests plan faults and read the record")
    parser.add_argument(
        "--record", action="store_true", help="keep everything that is received, for the control socket"
    )
    parser.add_argument("--tls-certificate", type=Path, metavar="FILE", help="serve TLS with this chain …")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="… and this key")
    return parser


async def _serve(arguments: argparse.Namespace) -> None:
    credentials = _credentials(arguments.credentials)
    listen, control = _address(arguments.listen), arguments.control and _address(arguments.control)
    try:
        standin = Standin(
            _endpoints(arguments.endpoint),
            credentials,
            region=arguments.region,
            listen=listen,
            tls=_tls(arguments.tls_certificate, arguments.tls_key),
            keeps_record=arguments.record,
        )
    except ValueError as exc:
        raise CannotServe(str(exc)) from None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(standin)
            place = {URL_KEY: standin.url}
            if control:
                place[CONTROL_KEY] = await stack.enter_async_context(controlled(standin, control))
        except OSError as exc:
            raise CannotServe(f"Cannot listen there: {type(exc).__name__} {exc.errno}.") from None

        def stop_soon() -> None:
            loop.call_soon_threadsafe(stop.set)

        call_when_stdin_ends(stop_soon)
        _say(place)
        await stop.wait()


def _say(line: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _endpoints(written: Sequence[str]) -> dict[str, str]:
    return {name: url for name, _, url in (text.partition("=") for text in written)}


def _address(text: str) -> Listen:
    listen = listen_address(text)
    if listen is None:
        raise CannotServe(f"`{text}` is neither HOST:PORT nor unix:/path.")
    return listen


def _credentials(file: Path | None) -> Credentials:
    try:
        text = file.read_bytes() if file is not None else _first_line_of_stdin()
        written = msgspec.json.decode(text, type=_WrittenCredentials)
    except OSError as exc:
        raise CannotServe(f"Cannot read {file}: {type(exc).__name__} {exc.errno}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        place = str(file) if file is not None else "the first line of stdin"
        raise CannotServe(f'Write {{"access_key": …, "secret_key": …}} as JSON into {place}.') from None
    return Credentials(written.access_key, written.secret_key, written.session_token)


def _first_line_of_stdin() -> bytes:
    # Byte by byte: a buffered reader would take what the tether waits for.
    line = bytearray()
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return bytes(line)


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as exc:
        raise CannotServe(f"Cannot use the certificate and key: {type(exc).__name__}.") from None
    return context


if __name__ == "__main__":
    sys.exit(main())
