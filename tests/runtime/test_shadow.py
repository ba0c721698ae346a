"""A candidate's file in a worker: read beside the loop, compared with every decision, and never in anybody's way."""

import asyncio
import os
from dataclasses import replace
from types import SimpleNamespace

import pytest

from gateway.config.gateway_file import Files
from gateway.core import measures
from gateway.core.facts import Complexity, RequestFacts
from gateway.core.findings import Coverage, Evidence, Tier
from gateway.core.labels import Label
from gateway.core.records import Scored
from gateway.policy.decide import decide
from gateway.policy.labelling import label
from gateway.runtime import shadow as shadow_room
from gateway.runtime.full_scan import Decided
from gateway.runtime.shadow import SCORED_IN, Shadow, State, name_of
from gateway.runtime.surroundings import Outlook
from gateway.settings import load_bundle, load_candidate
from gateway.wire.requests import Dialect, parse
from tests.fakes.house import write_config

BODY = b'{"model": "chat", "messages": [{"role": "user", "content": "Prove that there are infinitely many primes."}]}'
NO_SPILL = ("spill: [burst], ", "")
COMPLEX = ("  - {id: rest,", "  - {id: hard, when: {complexity: [medium, hard]}, to: [home-b]}\n  - {id: rest,")
SPENT = ("  - {id: rest,", "  - {id: spent, when: {budget: spent}, to: [home-b]}\n  - {id: rest,")


class Desk:
    """One worker's shadow beside the files of a folder."""

    def __init__(self, folder):
        write_config(folder, {})
        self.folder, self.files = folder, Files()
        self.live = load_bundle(folder, {})[1]
        self.reads = 0
        self.is_spent = False
        self.shadow = Shadow(
            folder / self.files.shadow,
            [folder / name for name in (self.files.pools, self.files.tenants, "recognizers.yaml")],
            read=self.read,
            live=lambda: self.live,
            outlook_of=lambda bundle: Outlook(
                bundle.policy.layout,
                bundle.topology,
                SimpleNamespace(wall=lambda: 0.0),
                has_place=lambda _: True,
                is_closed=lambda _: False,
                is_spent=lambda: self.is_spent,
            ),
        )

    @property
    def file(self):
        return self.folder / self.files.shadow

    def read(self):
        self.reads += 1
        return load_candidate(self.folder, self.files)

    def write(self, *changes, to=None):
        text = (self.folder / "policy.yaml").read_text()
        for old, new in (("version: 1", "version: 2"), *changes):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (to or self.file).write_text(text)

    def reload(self):
        """Another bundle of the files as they are now comes into force."""
        self.live = load_bundle(self.folder, {})[1]

    def see(self, *, tenant="bank", body=BODY, dialect=Dialect.CHAT, live=None, scored=None):
        bundle, policy = live or self.live, (live or self.live).policy
        request = parse(dialect, body)
        evidence = Evidence((), Coverage(frozenset({Tier.STRUCTURED, Tier.NAMES})))
        low, high = label(policy, evidence)
        who = bundle.tenants[tenant]
        facts = RequestFacts(low, high, who.tenant_class, who.ceiling, request.model, request.capabilities)
        self.shadow.see(bundle, who, request, Decided(evidence, facts, decide(policy, facts), None), scored)

    def told(self, family=measures.SHADOW):
        """What a family says, without the names of candidate and bundle."""
        found = {}
        for one, labels, value in self.shadow.readings():
            if one is family:
                found[labels[2:]] = found.get(labels[2:], 0) + value
        return found

    def states(self):
        return [labels[2] for family, labels, _ in self.shadow.readings() if family is measures.SHADOW_WORKERS]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "config")


async def test_without_a_candidate_nothing_is_compared_and_nothing_is_told(desk):
    await desk.shadow.look()
    desk.see()
    assert (desk.shadow.state, list(desk.shadow.readings()), desk.reads) == (None, [], 0)


async def test_every_request_is_compared_and_counted_by_route_label_and_direction(desk):
    desk.write(NO_SPILL)
    await desk.shadow.look()
    for tenant in ("bank", "bank", "clinic"):
        desk.see(tenant=tenant)
    desk.see(body=BODY.replace(b'"chat"', b'"nothing"'))
    assert desk.told() == {
        ("rest", "rest", "internal", "to_home"): 2,
        ("rest", "rest", "internal", "same"): 1,  # the clinic's class never leaves
        ("none", "none", "internal", "same"): 1,
    }
    candidate, live = name_of(load_candidate(desk.folder, desk.files)), name_of(desk.live)
    names = {labels[:2] for family, labels, _ in desk.shadow.readings() if family is measures.SHADOW}
    assert names == {(candidate, live)}
    since = [(labels, at) for family, labels, at in desk.shadow.readings() if family is measures.SHADOW_SINCE]
    assert since == [((candidate, "2"), desk.file.stat().st_mtime_ns / 1e9)]


async def test_places_that_are_gained_are_named(desk):
    desk.write(("to: [home, home-b], spill: [burst]", "to: [burst, home]"))
    await desk.shadow.look()
    desk.see()
    assert desk.told() == {("rest", "rest", "internal", "new_cloud"): 1}
    assert desk.told(measures.SHADOW_GAINED) == {("burst",): 1}


async def test_what_nobody_knows_is_counted_by_what_it_is(desk):
    desk.write(NO_SPILL)
    await desk.shadow.look()
    stranger = replace(desk.live.tenants["bank"], id="stranger")
    evidence = Evidence((), Coverage(frozenset({Tier.STRUCTURED, Tier.NAMES})))
    facts = RequestFacts(Label(1), Label(1), "default", Label(1), "chat")
    desk.shadow.see(
        desk.live,
        stranger,
        parse(Dialect.CHAT, BODY),
        Decided(evidence, facts, decide(desk.live.policy, facts), None),
        None,
    )
    assert desk.told() == {("rest", "none", "none", "undecidable"): 1}
    assert desk.told(measures.SHADOW_UNDECIDED) == {("tenant",): 1}


# What only the candidate asks for


async def test_one_request_of_a_few_is_scored_for_a_candidate_that_alone_asks(desk):
    desk.write(COMPLEX)
    await desk.shadow.look()
    for _ in range(SCORED_IN):
        desk.see()
    for _ in range(2 * SCORED_IN):
        desk.see(body=BODY.replace(b"Prove that there are infinitely many primes.", b"Hi"))
    for _ in range(SCORED_IN):
        desk.see(body=b'{"model": "chat", "input": "Hi"}', dialect=Dialect.EMBEDDINGS)
    assert {key[1]: count for key, count in desk.told().items()} == {"hard": 2, "rest": 2}


async def test_a_score_that_is_there_is_taken(desk):
    desk.write(COMPLEX, to=desk.folder / "policy.yaml")
    desk.reload()
    text = (desk.folder / "policy.yaml").read_text()
    desk.file.write_text(text.replace("routes:", "complexity: {simple_below: 0.8, hard_from: 0.9}\nroutes:"))
    await desk.shadow.look()
    desk.see(scored=Scored(0.7, Complexity.MEDIUM, ()))
    assert desk.told() == {("hard", "rest", "internal", "new_cloud"): 1}


async def test_somebody_looks_around_for_a_candidate_that_alone_asks(desk):
    desk.write(SPENT)
    await desk.shadow.look()
    desk.see()
    desk.is_spent = True
    desk.see()
    assert {key[1]: count for key, count in desk.told().items()} == {"rest": 1, "spent": 1}


# A file that changes


async def test_it_is_read_only_when_something_is_not_as_before(desk):
    desk.write(NO_SPILL)
    for _ in range(3):
        await desk.shadow.look()
    assert desk.reads == 1
    os.utime(desk.folder / "tenants.yaml", ns=(0, 0))
    await desk.shadow.look()
    assert desk.reads == 2


@pytest.mark.parametrize("how", ["half", "empty", "mistaken", "no end"])
async def test_a_file_that_is_no_policy_changes_nothing_and_is_said(desk, how, caplog):
    caplog.set_level("INFO")
    desk.write(NO_SPILL)
    await desk.shadow.look()
    desk.see()
    whole = desk.file.read_text()
    broken = {
        "half": whole[: len(whole) // 2],
        "empty": "",
        "mistaken": whole.replace("to: [home, home-b]", "to: [hom, home-b]"),
        "no end": whole.replace("...", ""),
    }[how]
    desk.file.write_text(broken)
    await desk.shadow.look()
    desk.see()
    assert (desk.shadow.state, desk.states()) == (State.STALE, ["stale"])
    assert desk.told() == {("rest", "rest", "internal", "to_home"): 2}
    assert "shadow_unreadable" in caplog.text
    desk.file.write_text(whole)
    await desk.shadow.look()
    assert desk.shadow.state is State.COMPARING
    desk.see()
    assert desk.told() == {("rest", "rest", "internal", "to_home"): 3}


async def test_a_first_file_that_is_no_policy_compares_nothing(desk):
    desk.file.write_text("labels: [")
    await desk.shadow.look()
    desk.see()
    assert (desk.shadow.state, desk.told()) == (State.UNREADABLE, {})


async def test_whatever_reading_raises_a_worker_goes_on(desk, caplog):
    desk.write(NO_SPILL)

    def failing():
        raise RecursionError("of a client's words")

    desk.shadow._read = failing
    await desk.shadow.look()
    assert desk.shadow.state is State.UNREADABLE
    assert "client's words" not in caplog.text


async def test_another_candidate_is_counted_by_itself_and_the_one_before_is_not_forgotten(desk):
    desk.write(NO_SPILL)
    await desk.shadow.look()
    desk.see()
    desk.write(("to: [home, home-b], spill: [burst]", "to: [burst, home]"))
    await desk.shadow.look()
    desk.see()
    readings = list(desk.shadow.readings())
    told = [(labels[0], labels[5], count) for family, labels, count in readings if family is measures.SHADOW]
    assert len({name for name, _, _ in told}) == 2
    assert [(direction, count) for _, direction, count in told] == [("to_home", 1), ("new_cloud", 1)]


async def test_a_candidate_that_is_gone_is_compared_no_more_and_may_come_back(desk):
    desk.write(NO_SPILL)
    await desk.shadow.look()
    desk.see()
    whole = desk.file.read_bytes()
    desk.file.unlink()
    await desk.shadow.look()
    desk.see()
    assert (desk.shadow.state, desk.states()) == (None, [])
    assert desk.told() == {("rest", "rest", "internal", "to_home"): 1}
    desk.file.write_bytes(whole)
    await desk.shadow.look()
    desk.see()
    assert desk.told() == {("rest", "rest", "internal", "to_home"): 2}


async def test_of_candidates_without_end_the_first_are_remembered(desk, monkeypatch):
    monkeypatch.setattr(shadow_room, "MOST_CANDIDATES", 2)
    for version in range(2, 6):
        desk.write(NO_SPILL)
        desk.file.write_text(desk.file.read_text().replace("version: 2", f"version: {version}"))
        await desk.shadow.look()
        desk.see()
    assert len({labels[0] for family, labels, _ in desk.shadow.readings() if family is measures.SHADOW}) == 3


async def test_kinds_beyond_all_reason_count_as_one(desk, monkeypatch):
    monkeypatch.setattr(shadow_room, "MOST_KINDS", 1)
    desk.write(NO_SPILL)
    await desk.shadow.look()
    for tenant in ("bank", "clinic", "clinic"):
        desk.see(tenant=tenant)
    assert desk.told() == {("rest", "rest", "internal", "to_home"): 1, ("other", "other", "none", "same"): 2}


# What is in force


async def test_a_candidate_is_compared_with_what_is_in_force_now(desk):
    desk.write(NO_SPILL)
    await desk.shadow.look()
    before = desk.live
    other = "id: rest, when: {}, to: [home, home-b]", "id: rest, when: {}, to: [home-b, home]"
    desk.write(other, to=desk.folder / "policy.yaml")
    desk.file.write_text(desk.file.read_text().replace("version: 2", "version: 3"))
    desk.reload()
    desk.see()  # decided by what it was not compared with
    await desk.shadow.look()
    desk.see(live=before)  # was under way when the other came into force
    assert desk.told() == {}
    desk.see()
    assert desk.told() == {("rest", "rest", "internal", "to_home"): 1}


async def test_a_bad_file_beside_another_bundle_ends_the_comparison(desk):
    desk.write(NO_SPILL)
    await desk.shadow.look()
    desk.reload()
    desk.file.write_text("")
    await desk.shadow.look()
    assert desk.shadow.state is State.UNREADABLE


async def test_a_candidate_waits_while_the_files_beside_it_are_not_in_force(desk):
    desk.write(NO_SPILL)
    tenants = desk.folder / "tenants.yaml"
    tenants.write_text(tenants.read_text() + "  another: {class: default}\n")
    await desk.shadow.look()
    desk.see()
    assert (desk.shadow.state, desk.told()) == (State.WAITING, {})
    desk.reload()
    await desk.shadow.look()
    assert desk.shadow.state is State.COMPARING


async def test_a_candidate_that_was_promoted_is_no_candidate_any_more(desk):
    desk.write(NO_SPILL)
    await desk.shadow.look()
    (desk.folder / "policy.yaml").write_bytes(desk.file.read_bytes())
    desk.reload()
    await desk.shadow.look()
    desk.see()
    assert (desk.shadow.state, desk.told()) == (State.IN_FORCE, {})


# A candidate that raises


async def test_a_candidate_that_raises_is_let_go_of_and_said_until_its_file_is_another(desk, monkeypatch, caplog):
    desk.write(NO_SPILL)
    await desk.shadow.look()
    desk.see()

    def raising(*_, **__):
        raise KeyError("My SSN is 536-22-8723")

    with monkeypatch.context() as patch:
        patch.setattr("gateway.policy.shadow.decide", raising)
        desk.see()
    desk.see()
    assert (desk.shadow.state, desk.states()) == (State.FAILED, ["failed"])
    assert desk.told() == {("rest", "rest", "internal", "to_home"): 1}
    assert caplog.text.count("shadow_failed") == 1
    os.utime(desk.file, ns=(0, 0))
    await desk.shadow.look()
    assert desk.shadow.state is State.COMPARING


async def test_it_looks_until_it_is_told_to_stop(desk, monkeypatch):
    monkeypatch.setattr(shadow_room, "LOOK_EVERY_S", 0.001)
    desk.write(NO_SPILL)
    stop = asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(desk.shadow.run(stop))
        while desk.shadow.state is not State.COMPARING:  # noqa: ASYNC110 -- the file itself is the event
            await asyncio.sleep(0)
        desk.file.unlink()
        while desk.shadow.state is not None:  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0)
        stop.set()
