"""One call resolves one level of encoding; what will not decode is opaque, and nothing expands without bound."""

import base64
import gzip
import html
import os
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detect import prefilter
from gateway.detect.decode import ESCAPE_GATES, MAX_DECODED, TOKEN_GATES, decoder
from gateway.detect.prefilter import Entry, build_prefilter
from tests.detect.triggers import told


def no_tick():
    pass


DECODER = decoder()
ID = "11010519491231002X"


def utf8_hex(text):
    return text.encode().hex()


@pytest.mark.parametrize(
    ("encoded", "transform"),
    [
        (base64.b64encode(ID.encode()).decode(), "base64"),
        (base64.urlsafe_b64encode(f"号码>{ID}".encode()).decode(), "base64"),
        (base64.b64encode(ID.encode()).decode().rstrip("="), "base64"),
        (base64.b64encode(gzip.compress(f"id {ID}".encode())).decode(), "base64"),
        (base64.b64encode(zlib.compress(f"id {ID}".encode())).decode(), "base64"),
        (base64.b64encode(f"号码{ID}号码".encode("gb18030")).decode(), "base64"),
        (base64.b64encode(f"id {ID}".encode("utf-16")).decode(), "base64"),
        (base64.b64encode(f"id {ID}".encode("utf-16-le")).decode(), "base64"),
        (base64.b64encode(f"id {ID}".encode("utf-16-be")).decode(), "base64"),
        (base64.encodebytes((ID * 12).encode()).decode().strip(), "base64"),
        (base64.b32encode(ID.encode()).decode(), "base32"),
        (utf8_hex(ID), "hex"),
        (utf8_hex(ID).upper(), "hex"),
        (" ".join(f"{ord(c):02x}" for c in ID), "hex"),
        (", ".join(f"0x{ord(c):02x}" for c in ID), "hex"),
        ("".join(f"%{ord(c):02X}" for c in ID), "url"),
        ("".join(f"&#{ord(c)};" for c in ID), "html"),
        ("".join(f"&#x{ord(c):x};" for c in ID), "html"),
        ("".join(f"\\u{ord(c):04x}" for c in ID), "escapes"),
        ("".join(f"\\x{ord(c):02x}" for c in ID), "escapes"),
        ("".join(f"\\u{{{ord(c):x}}}" for c in ID), "escapes"),
        ("".join(f"\\U{ord(c):08x}" for c in ID), "escapes"),
        ("".join(f"={ord(c):02X}" for c in ID), "quoted-printable"),
        ("".join(chr(0xE0000 + ord(c)) for c in ID), "tags"),
    ],
)
def test_an_encoding_is_resolved_in_its_place(encoded, transform):
    decoded = DECODER.of(f"<{encoded}>", no_tick)
    assert ID in decoded.view.text
    assert transform in decoded.view.transforms
    place = decoded.view.text.index(ID)
    start, end = decoded.view.original(place, place + len(ID))
    assert 1 <= start < end <= 1 + len(encoded)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("E12345678", "RTEyMzQ1Njc4"),
        ("T9309166", "VDkzMDkxNjY="),
        ("212-555-0147", "MjEyLTU1NS0wMTQ3"),
        ("RTEyMzQ1Njc4", "UlRFeU16UTFOamM0"),
        ("QQ123456", "KFITCMRTGQ2TM==="),
        ("AB123456C", "414231323334353643"),
        ("top secret", "746f7020736563726574"),
        ("1990-01-02", "31 39 39 30 2d 30 31 2d 30 32"),
        ("T9309166", "54 39 33 30 39 31 36 36"),
    ],
)
@pytest.mark.parametrize("frame", ["{}", "码{}。", "the code {} is", "cc {} on"])
def test_a_short_value_is_decoded_whatever_stands_beside_it(value, encoded, frame):
    assert frame.format(value) == DECODER.of(frame.format(encoded), no_tick).view.text


@pytest.mark.parametrize(
    "text",
    [
        "a representative organisation with responsibilities",
        "see /usr/local/lib/python3.11/site-packages",
        "customer_account_balance_total",
        "100% sure & certain",
        "=== heading ===",
        "5d41402abc4b2a76b9719d911017c592",
    ],
)
def test_ordinary_text_is_not_encoded(text):
    decoded = DECODER.of(text, no_tick)
    assert decoded.view is None
    assert not decoded.is_opaque


def test_a_large_blob_that_will_not_decode_is_opaque():
    noise = random.Random(7).randbytes(600)
    assert DECODER.of("x " + base64.b64encode(noise).decode(), no_tick).is_opaque
    assert DECODER.of("x " + noise.hex(), no_tick).is_opaque
    assert DECODER.of(base64.b64encode(b"\x1f\x8b" + noise).decode(), no_tick).is_opaque


@pytest.mark.parametrize("text", ["0" * 300, "a" * 500, "abcdefgh" * 40, os.sep.join(["word"] * 60)])
def test_a_long_word_without_disorder_is_not_opaque(text):
    assert not DECODER.of(text, no_tick).is_opaque


def test_a_bomb_does_not_expand():
    bomb = base64.b64encode(zlib.compress(b"a" * (MAX_DECODED * 4), 9)).decode()
    assert DECODER.of(bomb, no_tick).view is None
    half = base64.b64encode(zlib.compress(b"a" * (MAX_DECODED // 2 + 1), 9)).decode()
    decoded = DECODER.of(f"{half} {half}", no_tick)
    assert decoded.is_opaque
    assert len(decoded.view.text) < 2 * MAX_DECODED


def test_half_a_surrogate_pair_does_no_harm():
    assert DECODER.of("\\ud800\\u0031", no_tick).view.text == "\ufffd1"
    assert DECODER.of("\\u{ffffff}", no_tick).view.text == "\ufffd"


def test_names_of_html_are_read():
    assert DECODER.of("bob&commat;corp&period;internal", no_tick).view.text == html.unescape(
        "bob&commat;corp&period;internal"
    )


RAW = st.binary(min_size=1, max_size=150) | st.text("abcdefg 0123456789-", min_size=1, max_size=150).map(str.encode)
WORDS = st.one_of(
    RAW.map(lambda raw: base64.b64encode(raw).decode()),
    RAW.map(lambda raw: base64.urlsafe_b64encode(raw).decode()),
    RAW.map(lambda raw: base64.b32encode(raw).decode()),
    RAW.map(bytes.hex),
    st.builds(lambda raw, end: base64.encodebytes(raw * 3).decode().replace("\n", end), RAW, st.sampled_from("\n\r")),
    st.builds(lambda raw: base64.encodebytes(raw * 3).decode().replace("\n", "\r\n"), RAW),
    st.sampled_from(["information", "a_b-c/d", "a/long/path/to/some/file", "deadbeefcafebabe", "20241122", "x" * 61]),
    st.sampled_from(["=", "_", "+", "\n", "\r\n", " ", "号", ", "]),
)


@pytest.mark.skipif(not prefilter.HAS_HYPERSCAN, reason="no Hyperscan on this platform")
@settings(max_examples=300)
@given(text=st.lists(WORDS, max_size=10).map("".join))
def test_where_gates_tell_of_words_alone_nothing_else_is_encoded(gates, text):
    # Where texts are looked through together, a match may end behind the end of its own.
    for texts in ([text], [text, "x"]):
        seen = dict(told(gates, texts)).get(0, {})
        if 1 in seen:
            continue
        whole = DECODER.of(text, no_tick)
        if 0 in seen:
            assert DECODER.of(text, no_tick, seen[0]) == whole
        else:
            assert whole.view is None
            assert not whole.is_opaque


@pytest.fixture(scope="module")
def gates():
    entries = [Entry(number, one) for number, those in enumerate((TOKEN_GATES, ESCAPE_GATES)) for one in those]
    return build_prefilter(entries, frozenset())


def test_a_word_of_any_length_is_read_from_its_beginning():
    for size in (300, 3_000, 30_000):
        word = base64.b64encode((ID * size).encode()[:size]).decode()
        for text in (word, f"<{word}>", f"x {word}"):
            for end in (len(text) - 3, len(text), text.index(word) + 24):
                assert DECODER.of(text, no_tick, (end,)) == DECODER.of(text, no_tick)
    assert DECODER.of("........... 12345", no_tick, (11,)).view is None
    assert DECODER.of("....", no_tick, (4,)).view is None
