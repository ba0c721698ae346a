"""No request hides in another: whatever two parsers might read differently is refused, or read in the one way."""

import asyncio
import contextlib
import json
import re
import shutil
import socket
from pathlib import Path

import h11
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.smuggling import ROWS, SENTINEL, Row, chunked, get, post

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CONF = Path(__file__).parents[2] / "deploy" / "nginx" / "tidegate.conf"
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def answers(raw: bytes) -> list[tuple[int, object]]:
    """Status and body of each answer, without interim ones; every answer here has a length."""
    found: list[tuple[int, object]] = []
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        if not (line := STATUS.match(head)):
            return [*found, (0, raw)]  # as HTTP/0.9 is answered: a body and nothing else
        status = int(line[1])
        if status < 200:
            raw = rest
            continue
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        body, raw = rest[:length], rest[length:]
        found.append((status, json.loads(body) if b"json" in head or body[:1] == b"[" else body))
    return found


async def sent(port: int, raw: bytes, step: int = 1 << 20, *, quiet_s: float | None = None) -> bytes:
    """What comes back on one connection until the other side closes it, or has said nothing for `quiet_s`."""
    loop = asyncio.get_running_loop()
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setblocking(False)
        # A server that has said its last word may close while we still send.
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(raw), step):
                await loop.sock_sendall(client, raw[start : start + step])
                if step < len(raw):
                    await asyncio.sleep(0)
        got = b""
        try:
            with contextlib.suppress(ConnectionError):
                while piece := await asyncio.wait_for(loop.sock_recv(client, 65536), quiet_s or 5):
                    got += piece
        except TimeoutError:
            if quiet_s is None:
                pytest.fail("neither answered nor closed")
        return got


@pytest.mark.parametrize("step", [1, 11, 1 << 20], ids=["byte by byte", "in pieces", "whole"])
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_a_request_has_one_end(house, row: Row, step: int):
    got = answers(await sent(house.port, row.raw + SENTINEL, step))
    if row.served is None:
        assert [status // 100 for status, _ in got] == [4], got
        assert got[0][1]["error"]["message"]
        assert house.echo.served == 0
        return
    bodies = [body for _, body in got]
    assert [body[2] for body in bodies if body[0] == "chat"] == list(row.served)
    assert (["models", "sentinel"] in bodies) is row.sees_sentinel
    assert ["models", "smuggled"] not in bodies


# h11 as a second opinion: what it refuses we refuse, and what both take we read alike.


def read_by_h11(raw: bytes) -> list[tuple[bytes, bytes, int]] | None:
    """Method, target and length of the body of each request in `raw`, up to one that closes; None if one is refused."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(raw)
    found: list[tuple[bytes, bytes, int]] = []
    request, size = None, 0
    while True:
        try:
            event = server.next_event()
        except h11.RemoteProtocolError:
            return None
        match event:
            case h11.Request():
                request, size = event, 0
            case h11.Data():
                size += len(event.data)
            case h11.EndOfMessage():
                found.append((request.method, request.target, size))
                server.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                server.send(h11.EndOfMessage())
                if server.our_state is h11.MUST_CLOSE:
                    return found
                server.start_next_cycle()
            case _:
                return found


SEEDS = (
    post(b"Content-Length: 2", body=b"{}"),
    chunked(b"2\r\n{}\r\n0\r\n\r\n"),
    chunked(b"1;a=b\r\n{\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n"),
    get(b"Host: x"),
)
MARKS = (b"\r\n", b"\n", b"\r", b" ", b"\t", b"\x0b", b"\x00", b":", b",", b";", b"0", b"2", b"-", b"+", b"x", b"\xff")
LINES = (b"Content-Length: 2\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: y\r\n", b"0\r\n\r\n")
PIECES = st.sampled_from((b"", b"Transfer-Encoding: ", *MARKS, *LINES))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    raw = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(raw)))
        gone = draw(st.sampled_from((0, 0, 1, 2, 5)))
        raw = raw[:at] + draw(PIECES) + raw[at + gone :]
    return raw


@given(raw=mutated())
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_what_another_parser_refuses_is_refused_and_what_both_take_is_read_alike(house, raw):
    whole = raw + SENTINEL
    # Line ends before a request are passed over, and white space in its first line may be longer than it should
    # (9112, 2.2 and 3): h11 refuses both, and neither moves an end.
    first, line_end, rest = raw.lstrip(b"\r\n").partition(b"\r\n")
    plain = re.sub(rb" +", b" ", first) + line_end + rest
    theirs = read_by_h11(re.sub(rb"(?<=\r\n\r\n)[\r\n]+$|(?<=})[\r\n]+$", b"", plain) + SENTINEL)
    # It may be cut short, and then we wait for the rest as long as the client may take.
    got = answers(await sent(house.port, whole, quiet_s=0.25))
    if theirs is None:
        # Whatever stands before what h11 refuses may have been served; behind it is nothing.
        assert (200, ["models", "sentinel"]) not in got
        return
    # We may refuse more than h11 does, and then read nothing behind it; what we answer, it has read the same.
    assert len(got) <= len(theirs)
    for (status, body), (method, _, size) in zip(got, theirs, strict=False):
        if status == 200:
            assert (method, size) == ((b"GET", 0) if body[0] == "models" else (b"POST", body[2]))


# Behind nginx, with connections kept between the two: there a request out of step would be somebody else's.


@pytest.fixture
async def nginx(house, tmp_path, unused_tcp_port_factory):
    if NGINX is None:
        pytest.skip("nginx is not installed")
    port = unused_tcp_port_factory()
    conf = (
        CONF.read_text()
        .replace("127.0.0.1:8080", f"127.0.0.1:{house.port}")
        .replace("127.0.0.1:8443", f"127.0.0.1:{port}")
    )
    (tmp_path / "site.conf").write_text(conf.replace("/dev/stdout", str(tmp_path / "access.log")))
    paths = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;"
        f"events {{}} http {{ {paths} include {tmp_path}/site.conf; }}"
    )
    process = await asyncio.create_subprocess_exec(
        NGINX, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")
    )
    try:
        for _ in range(200):
            with contextlib.suppress(ConnectionError):
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                break
            await asyncio.sleep(0.02)
        else:
            pytest.fail((tmp_path / "error.log").read_text())
        yield port
    finally:
        process.terminate()
        await process.wait()


async def test_behind_nginx_every_answer_is_the_one_to_its_request(house, nginx):
    for number, row in enumerate(ROWS):
        before = house.echo.served
        got = await sent(nginx, row.raw + SENTINEL, quiet_s=0.5)
        served = [body for status, body in answers(got) if status == 200]
        chats = [body for body in served if body[0] == "chat"]
        assert house.echo.served - before == len(chats), row.name
        if row.served is not None:
            # What nginx refuses never reaches us; what reaches us is what was sent.
            assert [body[2] for body in chats] in ([], list(row.served)), row.name
        after = await sent(nginx, get(b"Host: x", b"Connection: close", target=b"/v1/models/after-%d" % number))
        assert [body for _, body in answers(after)] == [["models", f"after-{number}"]], row.name
