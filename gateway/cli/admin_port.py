"""How commands ask a gateway that runs: one request at a time over its admin port, with the admin token.

Where the port is and what its credential is come from the same files as the gateway's own. Answers are JSON of a
bounded size; whatever keeps one from coming becomes one sentence that says what to look at.
"""

import argparse
import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import msgspec

from gateway.cli.problem_report import Misuse
from gateway.config.addresses import Listen, Unix
from gateway.runtime.secret_files import Secret
from gateway.settings import CONFIG_VARIABLE, GATEWAY_FILE, load_admin

WITHIN_S: Final = 10.0
LARGEST_ANSWER: Final = 64 << 20
_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d{1,9})\r\n", re.IGNORECASE)
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- where to ask what listens everywhere


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said."""

    status: int
    body: bytes


class _Broken(Exception):
    """What came is no answer."""


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Let the command line say whose gateway is asked."""
    parser.add_argument(
        "--config",
        metavar="DIR",
        type=Path,
        help=f"the folder with {GATEWAY_FILE}; ${CONFIG_VARIABLE} or the current one if not given",
    )


class AdminPort:
    """The admin port of one gateway."""

    def __init__(self, where: Listen, token: Secret) -> None:
        self._where = where
        self._token = token

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Self:
        """The port of the gateway that the command line names; raises Problems."""
        folder = arguments.config or Path(os.environ.get(CONFIG_VARIABLE) or ".")
        return cls(*load_admin(folder, os.environ))

    @property
    def place(self) -> str:
        """Where it is, for whoever has to look."""
        return str(self._where)

    def ask(self, path: str, *, method: str = "GET", body: bytes = b"") -> Answer:
        """The answer to one request, whatever its status; raises Misuse where there is none, or the token is wrong."""
        try:
            answer = asyncio.run(self._asked(path, method, body))
        except TimeoutError:
            raise self._misuse("The gateway does not answer in time.", "See whether it is overloaded.") from None
        except OSError as exc:
            raise self._misuse(
                f"No gateway answers on this admin port ({type(exc).__name__}).",
                "Start it with `tidegate serve`, or name its folder with `--config`.",
            ) from None
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, _Broken):
            raise self._misuse("What answers on this admin port is no gateway.", "Check `admin.listen`.") from None
        if answer.status == 401:
            raise self._misuse("The gateway refuses this admin token.", "Restart it after changing the token.")
        return answer

    def json(self, path: str, *, method: str = "GET", body: bytes = b"") -> tuple[int, object]:
        """The same, with the body decoded."""
        answer = self.ask(path, method=method, body=body)
        try:
            return answer.status, msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self._misuse("What answers on this admin port is no gateway.", "Check `admin.listen`.") from None

    async def _asked(self, path: str, method: str, body: bytes) -> Answer:
        async with asyncio.timeout(WITHIN_S):
            reader, writer = await self._connected()
            try:
                head = (
                    f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                    f"Authorization: Bearer {self._token.reveal()}\r\n"
                    f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                writer.write(head.encode() + body)
                said = await reader.readuntil(b"\r\n\r\n")
                status, length = _STATUS.match(said), _LENGTH.search(said)
                if status is None or length is None or int(length[1]) > LARGEST_ANSWER:
                    raise _Broken
                return Answer(int(status[1]), await reader.readexactly(int(length[1])))
            finally:
                writer.transport.abort()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._where, Unix):
            return await asyncio.open_unix_connection(self._where.path)
        return await asyncio.open_connection(_EVERYWHERE.get(self._where.host, self._where.host), self._where.port)

    def _misuse(self, message: str, mend: str) -> Misuse:
        return Misuse(str(self._where), message, mend)
