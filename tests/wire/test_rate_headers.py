"""Limits are told in OpenAI's headers, and times as OpenAI writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.quota import Limits, Standing
from gateway.wire.rate_headers import headers_of, span


@pytest.mark.parametrize(
    ("us", "said"),
    [
        (0, b"0ms"),
        (1, b"1ms"),
        (17_000, b"17ms"),
        (1_000_000, b"1s"),
        (1_500_000, b"1.5s"),
        (59_999_000, b"59.999s"),
        (59_999_001, b"1m0s"),
        (360_000_000, b"6m0s"),
        (7_384_050_000, b"2h3m4.05s"),
    ],
)
def test_times_are_written_as_openai_writes_them(us: int, said: bytes) -> None:
    assert span(us) == said


@given(st.integers(0, 10**10))
def test_a_time_is_never_told_too_short(us: int) -> None:
    said, told = span(us).decode(), 0.0
    if said.endswith("ms"):
        told = int(said[:-2]) / 1000
    else:
        for unit, seconds in (("h", 3600), ("m", 60), ("s", 1)):
            amount, found, rest = said.partition(unit)
            if found:
                told, said = told + float(amount) * seconds, rest
    assert us / 1e6 <= told + 1e-9 < us / 1e6 + 0.0011


STANDING = Standing(requests=5, tokens=900, requests_reset_us=1_000_000, tokens_reset_us=250_000)


@pytest.mark.parametrize(
    ("limits", "is_degraded", "names"),
    [
        (Limits(requests_per_minute=6), False, ["limit-requests: 6", "remaining-requests: 5", "reset-requests: 1s"]),
        (Limits(tokens_per_minute=1000), False, ["limit-tokens: 1000", "remaining-tokens: 900", "reset-tokens: 250ms"]),
        (Limits(concurrency=5), False, []),
    ],
)
def test_only_what_is_limited_is_told(limits: Limits, is_degraded: bool, names: list[str]) -> None:
    told = [b"%b: %b" % header for header in headers_of(limits, STANDING, is_degraded=is_degraded)]
    assert told == [b"x-ratelimit-" + name.encode() for name in names]


def test_who_is_counted_here_instead_of_by_all_is_told_so() -> None:
    assert headers_of(Limits(concurrency=5), STANDING, is_degraded=True) == ((b"x-tidegate-quota", b"degraded"),)
