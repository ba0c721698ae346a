"""No canary reaches SageMaker, whatever goes wrong there: every fault of the lane, on every way to invoke.

The requests and the eyes are those of `tests/paths/canaries.py`, which know nothing of `gateway`. Searched is every
byte that the stand-in received, heads and half requests included, and everything that its container got from it.
"""

import asyncio
import json
import random
from pathlib import Path

import pytest

from gateway.lane import faults
from gateway.lane.answers import STATUSES
from gateway.lane.faults import (
    EXCEPTIONS,
    Cut,
    Disturbed,
    Ended,
    Fault,
    Raised,
    Refused,
    Silent,
    Stalled,
    WrongCrc,
)
from tests.fakes.house import POLICY, house
from tests.fakes.model_server import ModelServer
from tests.lane.aws import NAME, REGION, SESSION_KEY, standin
from tests.paths.canaries import SCANS_UP_TO, compact, drawn, visible

# Harmless work goes to the cloud first, so that there is something to be seen there.
CLOUD_FIRST = POLICY.replace("when: {}, to: [home, home-b], spill: [burst]", "when: {}, to: [burst, home]")
TIMEOUTS = "{connect: 1s, first_content: 150ms, idle: 150ms, total: 5s}"
BLOCKS = {
    "openai": "invoke: openai",
    "invocations": "invoke: invocations",
    "huggingface": "invoke: invocations, payload: huggingface",
}
EVERY_FAULT: tuple[Fault, ...] = (
    faults.SOUND,
    Disturbed(part_sizes=(1,), write_sizes=(3, 1)),
    Disturbed(gap_s=0.005),
    *(Refused(name) for name in STATUSES),
    Refused("ThrottlingException", status=429, retry_after="1"),
    Silent(),
    *(Disturbed(ending=Raised(name, after=after)) for name in EXCEPTIONS for after in (0, 200)),
    Disturbed(ending=Raised("SomethingNew", after=200, modelled=False)),
    *(Disturbed(ending=kind(after=after)) for kind in (Cut, Ended, WrongCrc, Stalled) for after in (0, 200)),
    Disturbed(ending=WrongCrc(prelude=True)),
)
REQUESTS = 4
LIMITS = f"limits: {{home_only_above: {SCANS_UP_TO >> 10}KiB}}\n"


def at_sagemaker(url: str, block: str):
    """Rewrites a house's files so that its cloud pool is the stand-in's endpoint."""

    def rewrite(config: Path) -> None:
        sources = []
        for key in ("access_key", "secret_key", "session_token"):
            path = config / "secrets" / f"aws.{key}"
            path.write_text(getattr(SESSION_KEY, key))
            path.chmod(0o600)
            sources.append(f"{key}: {{file: secrets/{path.name}}}")
        target = f"{{region: {REGION}, {block}, data_capture: allow, credentials: {{{', '.join(sources)}}}}}"
        file = config / "pools.yaml"
        homes, separator, _ = file.read_text().partition("  burst:\n")
        file.write_text(
            f"{homes}{separator}    zone: cloud\n    clearance: internal\n    backend: sagemaker\n    model: m\n"
            f'    endpoints: ["{url}/endpoints/{NAME}"]\n    sagemaker: {target}\n    timeouts: {TIMEOUTS}\n'
        )

    return rewrite


@pytest.mark.parametrize(
    "block", ["openai", "invocations", pytest.param("huggingface", marks=[pytest.mark.slow, pytest.mark.timeout(300)])]
)
async def test_no_canary_is_in_anything_that_sagemaker_received_under_any_fault(tmp_path, block):
    rng = random.Random(f"sagemaker {block}")
    sent = []
    async with ModelServer() as container, ModelServer() as home, standin(container, SESSION_KEY) as running:
        rewrite = at_sagemaker(running.url, BLOCKS[block])
        async with house(
            tmp_path, {"home": home}, rewrite=rewrite, policy=CLOUD_FIRST, timeouts=TIMEOUTS, gateway=LIMITS
        ) as gateway:
            for fault in EVERY_FAULT:
                running.faults.clear()
                running.faults.add(fault, times=faults.ALWAYS)
                gateway.forget_faults()
                requests = [drawn(rng, ["chat", "chat-cloud"]) for _ in range(REQUESTS)]
                # One that is known to leave, so that no fault goes untried.
                harmless = {"model": "chat", "messages": [{"role": "user", "content": f"Hello? ({fault!r})"}]}

                async def send(path: str, body: dict) -> None:
                    answer = await gateway.client.post(path, json=body, headers=gateway.headers())
                    assert answer.status_code != 500, answer.text

                before = len(running.received)
                await asyncio.gather(
                    *(send(one.path, one.body) for one in requests), send("/v1/chat/completions", harmless)
                )
                assert len(running.received) > before, f"nothing was asked of SageMaker under {fault}"
                sent += requests
            await gateway.settled()

    heard = "\n".join(
        reading
        for received in (*running.received, *container.requests)
        for reading in visible(_start_line(received), dict(received.headers), received.body)
    )
    heard += "\n".join(compact(bytes(one.raw).decode("utf-8", "replace")) for one in running.heard)
    planted = [(one, needle) for one in sent for needle in one.needles]
    assert len(planted) > len(sent) / 3
    for one, needle in planted:
        assert needle not in heard, f"leaked {one.about}: {json.dumps(one.body)}"
    left = [one for one in sent if one.tag in heard]
    assert [one.about for one in left if not one.may_leave] == []
    assert len(left) > len(sent) / 10


def _start_line(received) -> str:
    return getattr(received, "start_line", None) or f"{received.method} {received.target}"
