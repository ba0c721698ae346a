"""The models, scripted: a full scanner that finds what it is told, or fails in a way of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final

from msgspec.structs import replace

from gateway.core.findings import Coverage, Evidence, Finding, Tier

Script = Callable[[Evidence], Coroutine[None, None, Evidence]]


class ScriptedScanner:
    """Behind `ports.FullScanner`. Follows one script after the other, the last one for ever."""

    digest = "scripted"

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.began = 0
        self.ended = 0
        self.documents: list[object] = []

    async def complete(self, dialect, document, evidence, memo=None):
        self.began += 1
        self.documents.append(document)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        done = await script(evidence)
        self.ended += 1
        return done


def with_models(evidence: Evidence) -> Evidence:
    return replace(evidence, coverage=replace(evidence.coverage, tiers=evidence.coverage.tiers | {Tier.NER}))


async def nothing(evidence: Evidence) -> Evidence:
    await asyncio.sleep(0)
    return with_models(evidence)


async def a_person(evidence: Evidence) -> Evidence:
    found = Finding("PERSON", 0.85, "messages[0].content", 0, 4, "ner-en")
    return with_models(replace(evidence, findings=(*evidence.findings, found)))


async def never(evidence: Evidence) -> Evidence:
    await asyncio.Event().wait()
    raise AssertionError


def held(release: asyncio.Event, script: Script = nothing) -> Script:
    """`script`, once `release` is set."""

    async def waits(evidence: Evidence) -> Evidence:
        await release.wait()
        return await script(evidence)

    return waits


# What a full scanner might do that has lost its mind.


async def gives_up(evidence: Evidence) -> Evidence:
    return evidence


async def raises(evidence: Evidence) -> Evidence:
    raise MemoryError("canary")


async def cancels(evidence: Evidence) -> Evidence:
    raise asyncio.CancelledError


async def times_out(evidence: Evidence) -> Evidence:
    raise TimeoutError


async def says_nothing(evidence: Evidence):
    return None


async def says_yes(evidence: Evidence):
    return "clean"


async def covers_nothing_more(evidence: Evidence) -> Evidence:
    return replace(evidence, findings=evidence.findings)


async def forgets_everything_else(evidence: Evidence) -> Evidence:
    return Evidence((), Coverage(frozenset({Tier.NER})))


async def says_that_it_failed(evidence: Evidence) -> Evidence:
    done = with_models(evidence)
    return replace(done, coverage=replace(done.coverage, failure="canary"))


async def takes_a_finding_away(evidence: Evidence) -> Evidence:
    return with_models(replace(evidence, findings=evidence.findings[1:]))


async def weakens_a_finding(evidence: Evidence) -> Evidence:
    first, *others = evidence.findings
    weaker = Finding(first.entity, 0.0, first.path, first.start, first.end, first.detector)
    return with_models(replace(evidence, findings=(weaker, *others)))


async def renames_a_finding(evidence: Evidence) -> Evidence:
    first, *others = evidence.findings
    other = Finding("ORG", 1.0, first.path, first.start, first.end, first.detector)
    return with_models(replace(evidence, findings=(other, *others)))


FAULTS: Final = (
    *(gives_up, raises, cancels, never, times_out),
    *(says_nothing, says_yes, covers_nothing_more, says_that_it_failed),
)
"""Whatever they are asked about."""

TAKERS: Final = (forgets_everything_else, takes_a_finding_away, weakens_a_finding, renames_a_finding)
"""Where something was found before."""
