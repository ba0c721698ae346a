"""The front door's HTTP: what is read, what is refused, and that a refusal is clear, bounded and in OpenAI's shape.

The pipeline behind it is an echo, so that what is under test is the reading of requests and the framing of answers.
"""

import asyncio
import json

import pytest

from tests.api.front_door import GOOD


def post(body: bytes = b"{}", *headers: bytes, path: bytes = b"/v1/chat/completions") -> bytes:
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: x", b"Content-Type: application/json", *headers]
    if not any(header.lower().startswith((b"content-length", b"transfer-encoding")) for header in headers):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode()
    status_line, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await asyncio.wait_for(reader.readline(), 5), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    else:
        body = await reader.readexactly(int(headers["content-length"]))
    return int(status_line.split()[1]), headers, body


CLOSE = b"Connection: close"
H2C = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAEAAEAAAAIAAAAB")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (post(b"12345", CLOSE), ["chat", "/v1/chat/completions", 5]),
        (post(b"1", CLOSE, path=b"/v1/completions?a=b"), ["completions", "/v1/completions", 1]),
        (post(b"1", CLOSE, path=b"/v1/embeddings"), ["embeddings", "/v1/embeddings", 1]),
        (
            post(b"3\r\nabc\r\n0\r\n\r\n", CLOSE, b"Transfer-Encoding: chunked", b"Authorization: " + GOOD),
            ["chat", "/v1/chat/completions", 3],
        ),
        (b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", ["models", None]),
        (b"GET /v1/models/chat%2Dauto HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", ["models", "chat-auto"]),
        (b"GET /v1/models/%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", ["models", ""]),
        (b"GET /v1/models HTTP/1.0\r\nHost: x\r\n\r\n", ["models", None]),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
async def test_a_request_is_the_same_however_it_arrives(house, raw, expected, step):
    reader, writer = await house.dial()
    for at in range(0, len(raw), step):
        writer.write(raw[at : at + step])
        await asyncio.sleep(0)
    status, headers, body = await answer(reader)
    assert (status, json.loads(body)) == (200, expected)
    assert headers["connection"] == "close"
    assert await reader.read() == b""


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
async def test_an_offer_to_upgrade_is_ignored_and_its_request_served(house, step):
    chunked = post(b"3\r\nabc\r\n0\r\n\r\n", *H2C, b"Transfer-Encoding: chunked", b"Authorization: " + GOOD)
    models = b"GET /v1/models HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % b"\r\n".join(H2C)
    raw = post(b"12345", *H2C) + chunked + models + post(b"1234", *H2C, CLOSE)
    reader, writer = await house.dial()
    for at in range(0, len(raw), step):
        writer.write(raw[at : at + step])
        await asyncio.sleep(0)
    answers = [json.loads((await answer(reader))[2]) for _ in range(4)]
    chat = ["chat", "/v1/chat/completions"]
    assert answers == [[*chat, 5], [*chat, 3], ["models", None], [*chat, 4]]
    assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_the_body_after_an_offer_to_upgrade_is_bounded_too(house):
    reader, writer = await house.dial()
    writer.write(post(b"", *H2C, b"Transfer-Encoding: chunked", b"Authorization: " + GOOD))
    for _ in range(30):
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
    assert (await answer(reader))[0] == 413


async def test_an_answer_to_head_has_no_body(house):
    reply = await house.talk(b"HEAD /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ")
    assert body == b""


async def test_a_head_does_not_end_the_connection(house):
    reader, writer = await house.dial()
    writer.write(b"HEAD /v1/models HTTP/1.1\r\nHost: x\r\n\r\n" + post(b"x"))
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert (await answer(reader))[0] == 200


async def test_one_connection_serves_many_requests_in_order(house):
    reader, writer = await house.dial()
    for size in (1, 2, 3):
        writer.write(post(b"x" * size))
        assert json.loads((await answer(reader))[2])[2] == size


async def test_pipelined_requests_are_answered_in_order_and_only_a_few(house):
    reader, writer = await house.dial()
    writer.write(post(b"wait") + b"".join(post(b"x" * size) for size in range(1, 8)))
    await asyncio.sleep(0.05)
    house.echo.go_on.set()
    sizes = [json.loads((await answer(reader))[2])[2] for _ in range(5)]
    assert sizes == [4, 1, 2, 3, 4]
    assert await asyncio.wait_for(reader.read(), 5) == b""
    assert house.echo.served == 5


async def test_a_stream_is_chunked_and_the_connection_lives_on(house):
    reader, writer = await house.dial()
    writer.write(post(b"stream"))
    status, headers, body = await answer(reader)
    assert (status, headers["transfer-encoding"], body) == (200, "chunked", b"onetwo")
    writer.write(post(b"x"))
    assert (await answer(reader))[0] == 200


async def test_a_stream_to_an_old_client_ends_with_the_connection(house):
    raw = post(b"stream").replace(b"HTTP/1.1", b"HTTP/1.0")
    reply = await house.talk(raw)
    assert b"transfer-encoding" not in reply
    assert reply.endswith(b"\r\n\r\nonetwo")


async def test_a_client_that_leaves_is_noticed_while_the_model_is_silent(house):
    _, writer = await house.dial()
    writer.write(post(b"hang"))
    while not house.echo.served:  # noqa: ASYNC110 -- waits for the echo's own count
        await asyncio.sleep(0.002)
    writer.transport.abort()
    await asyncio.wait_for(house.echo.gone.wait(), 0.25)


async def test_a_client_that_expects_to_be_asked_is_asked(house):
    reader, writer = await house.dial()
    writer.write(post(b"", b"Expect: 100-continue", b"Content-Length: 3"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"abc")
    assert (await answer(reader))[0] == 200


BIG = b"x" * 70_000


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (post(path=b"/v1/nothing"), 404, "unknown_url"),
        (post(path=b"/"), 404, "unknown_url"),
        (post(path=b"/v1/models"), 405, "method_not_allowed"),
        (b"GET /v1/chat/completions HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method_not_allowed"),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400, "invalid_http"),
        (post().replace(b"application/json", b"text/plain"), 415, "unsupported_media_type"),
        (post(b"{}", b"Content-Encoding: gzip"), 415, "unsupported_media_type"),
        (post(b"", b"Content-Length: 100001"), 413, "request_too_large"),
        (post(b"", b"Content-Length: 99999999999999999"), 413, "request_too_large"),
        (post(BIG), 401, "invalid_api_key"),
        (post(b"1\r\na\r\n", b"Transfer-Encoding: chunked"), 401, "invalid_api_key"),
        (post(b"{}", b"X: " + b"y" * 5000), 431, "headers_too_large"),
        (b"GET /v1/models HTTP/1.1\r\n\r\n", 400, "invalid_http"),
        (b"GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "invalid_http"),
        (b"GET http://evil/v1/models HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid_http"),
        (b"GET /v1/models HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400, "invalid_http"),
        (b"GET /v1/models HTTP/1.1\nHost: a\n\n", 400, "invalid_http"),
        (b"GET /v1/models HTTP/1.1\r\nHost : a\r\n\r\n", 400, "invalid_http"),
        (b"nonsense\r\n\r\n", 400, "invalid_http"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "invalid_http"),
        (post(b"abc", b"Content-Length: 3", b"Transfer-Encoding: chunked"), 400, "invalid_http"),
        (post(b"abc", b"Content-Length: 3", b"Content-Length: 3"), 400, "invalid_http"),
        (post(b"abc", b"Content-Length: +3"), 400, "invalid_http"),
        (post(b"0\r\n\r\n", b"Transfer-Encoding: gzip, chunked"), 400, "invalid_http"),
        (post(b"abc", b"Transfer-Encoding: identity"), 400, "invalid_http"),
        (post(b"zz\r\n", b"Transfer-Encoding: chunked", b"Authorization: " + GOOD), 400, "invalid_http"),
        (b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "invalid_request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "invalid_http"),
        (post(b"x", *H2C, b"Transfer-Encoding: gzip, chunked"), 400, "invalid_http"),
        (post(b"x", *H2C, b"Transfer-Encoding: chunked", b"Content-Length: 1"), 400, "invalid_http"),
        (post(b"x", *H2C, path=b"/v1/nothing"), 404, "unknown_url"),
    ],
)
async def test_what_cannot_be_served_is_a_clear_refusal_in_openais_shape(house, raw, status, code):
    reader, writer = await house.dial()
    writer.write(raw)
    got, headers, body = await answer(reader)
    error = json.loads(body)["error"]
    assert (got, error["code"], headers["content-type"]) == (status, code, "application/json")
    assert error["message"]
    assert error["type"] in ("invalid_request_error",)
    assert house.echo.served == 0


async def test_a_refusal_arrives_although_the_client_is_still_sending(house):
    reader, writer = await house.dial()
    writer.write(post(b"", b"Content-Length: 50000000"))
    writer.write(b"x" * 2_000_000)
    assert (await answer(reader))[0] == 413


async def test_a_chunked_body_is_bounded_although_it_names_no_length(house):
    reader, writer = await house.dial()
    writer.write(post(b"", b"Transfer-Encoding: chunked", b"Authorization: " + GOOD))
    for _ in range(30):
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
    assert (await answer(reader))[0] == 413


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /v1/models",
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX: ",
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX",
        post(b"1\r\na\r\n0\r\nX: ", b"Transfer-Encoding: chunked", b"Authorization: " + GOOD),
        post(b"1;", b"Transfer-Encoding: chunked", b"Authorization: " + GOOD),
    ],
    ids=["target", "value", "name", "trailer", "chunk line"],
)
async def test_a_line_without_end_is_bounded(house, begun):
    reader, writer = await house.dial()
    writer.write(begun)
    for _ in range(50):
        writer.write(b"y" * 100)
        await asyncio.sleep(0.001)
    status, _, body = await asyncio.wait_for(answer(reader), 1)
    assert (status, json.loads(body)["error"]["code"]) == (431, "headers_too_large")


async def test_small_chunks_and_pieces_are_no_long_line(house):
    reader, writer = await house.dial()
    writer.write(post(b"", b"Transfer-Encoding: chunked", b"Authorization: " + GOOD))
    for _ in range(2000):
        writer.write(b"1;x=y\r\na\r\n")
    writer.write(b"0\r\n\r\n")
    assert json.loads((await answer(reader))[2])[2] == 2000


async def test_two_credentials_are_none(house):
    reader, writer = await house.dial()
    writer.write(post(BIG, b"Authorization: " + GOOD, b"Authorization: " + GOOD))
    assert (await answer(reader))[0] == 401


async def test_a_large_body_with_a_good_credential_is_read(house):
    reader, writer = await house.dial()
    writer.write(post(BIG, b"Authorization: " + GOOD))
    assert json.loads((await answer(reader))[2])[2] == len(BIG)


@pytest.mark.parametrize("raw", [b"POST /v1/chat", post(b"{", b"Content-Length: 10")])
async def test_a_request_that_dribbles_is_ended_with_408(house, raw):
    reader, writer = await house.dial()
    writer.write(raw)
    while not any(connection.is_receiving for connection in house.plane.connections):  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    house.plane.sweep(asyncio.get_running_loop().time() + 5.1)
    status, _, body = await answer(reader)
    assert (status, json.loads(body)["error"]["code"]) == (408, "request_timeout")
    assert await reader.read() == b""


async def test_an_idle_connection_is_closed_in_time_and_not_before(house):
    reader, _ = await house.dial()
    while not house.plane.connections:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    now = asyncio.get_running_loop().time()
    house.plane.sweep(now + 9)
    assert not reader.at_eof()
    house.plane.sweep(now + 11)
    assert await reader.read() == b""


async def test_drain_answers_what_has_begun_and_closes_the_rest(house):
    idle, _ = await house.dial()
    reader, writer = await house.dial()
    writer.write(post(b"wait"))
    while not house.echo.served:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    drain = asyncio.create_task(house.plane.drain(5))
    assert await asyncio.wait_for(idle.read(), 5) == b""
    house.echo.go_on.set()
    assert (await answer(reader))[0] == 200
    await asyncio.wait_for(drain, 5)
    assert await reader.read() == b""


@pytest.mark.parametrize("cut", range(0, len(post(b"{}")), 9))
async def test_a_request_cut_short_anywhere_is_never_served(house, cut):
    _, writer = await house.dial()
    writer.write(post(b"{}")[:cut])
    writer.close()
    await asyncio.sleep(0.01)
    assert house.echo.served == 0
