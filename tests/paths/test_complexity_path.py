"""A row that asks for complexity gets the requests that look so; the record, the count and the story say why."""

import contextlib

import pytest

from gateway.cli.main import main
from gateway.core import measures
from gateway.core.complexity import Question, Scorer
from tests.fakes.house import POLICY, house
from tests.fakes.model_server import ModelServer
from tests.paths.test_cost_of_privacy import outcomes

HARD = "Prove that the square root of 2 is irrational, and explain the proof step by step."
ROW = "  - {id: hard, when: {complexity: hard}, to: [home-b], on_full: {queue: QUEUE}}\n  - {id: rest,"
ASKING = POLICY.replace("  - {id: rest,", ROW)


@contextlib.asynccontextmanager
async def asking(folder, policy=ASKING):
    async with (
        ModelServer() as home,
        ModelServer() as large,
        house(folder, {"home": home, "home-b": large}, policy=policy) as running,
    ):
        yield running


async def settled(running, *texts: str) -> list[dict]:
    """What is on record of requests with these texts."""
    for text in texts:
        assert (await running.chat(text)).status_code == 200
    return (await outcomes(running))[-len(texts) :]


def routes(found: list[dict]) -> list[str]:
    return [one["decision"]["route"] for one in found]


async def test_a_hard_request_goes_where_the_policy_says_and_the_record_says_why(tmp_path, capsys):
    async with asking(tmp_path) as running:
        easy, hard = await settled(running, "Hello!", HARD)
        account = running.worker._instruments.account(now=1.0)
    assert routes([easy, hard]) == ["rest", "hard"]
    assert hard["facts"]["complexity"] == hard["scored"]["band"] == "hard"
    assert hard["scored"]["score"] == pytest.approx(Scorer().score(Question(HARD)), abs=1e-4)
    assert max(hard["scored"]["parts"], key=lambda part: part[1])[0] == "proof"
    assert easy["scored"]["band"] == "simple"
    assert account.numbers[measures.SCORED.name] == {("simple",): 1, ("hard",): 1}
    capsys.readouterr()
    for language, sentence in (("en", "Complexity: hard, score "), ("zh", "复杂度：困难，评分 ")):
        named = ["--config", str(running.config), "--language", language]
        assert main(["explain", f"req_{hard['request_id']}", *named]) == 0
        assert sentence in capsys.readouterr().out


async def test_the_bands_of_the_policy_count(tmp_path):
    policy = ASKING.replace("routes:", "complexity: {simple_below: 0, hard_from: 0}\nroutes:", 1)
    async with asking(tmp_path, policy) as running:
        assert routes(await settled(running, "Hello!", HARD)) == ["hard", "hard"]


async def test_how_hard_a_request_looks_never_lowers_its_label(tmp_path):
    async with asking(tmp_path) as running:
        assert routes(await settled(running, f"{HARD} My SSN is 536-22-8723.")) == ["keep-home"]


async def test_where_no_row_asks_nothing_is_scored(tmp_path):
    async with asking(tmp_path, POLICY) as running:
        (found,) = await settled(running, HARD)
    assert "scored" not in found
    assert "complexity" not in found["facts"]


async def test_a_request_for_embeddings_is_not_scored(tmp_path):
    async with asking(tmp_path) as running:
        body = {"model": "chat", "input": HARD}
        await running.client.post("/v1/embeddings", json=body, headers=running.headers())
        found = (await outcomes(running))[-1]
    assert found["path"] == "embeddings"
    assert "scored" not in found
