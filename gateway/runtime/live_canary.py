"""The live canary: now and then a request of our own with an identifier in it that must not leave, and a look at what
the audit log says of it.

It takes the way of a client's request through the pipeline, but for its credential, and is judged by what was written
to the log and not by what anybody here returns. What is sent is `detect/synthetic.py`'s, the verdict is
`policy/live_canary.py`'s. One at a time, in one worker, spread over the hour; whatever goes wrong with it harms no
request.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from gateway.config.canary_block import CanaryBlock
from gateway.core import measures
from gateway.core.decision import Allow
from gateway.core.records import Intent, Mirrored, Outcome
from gateway.detect.synthetic import SCORES, messages
from gateway.policy.live_canary import ALARMS, Plan, Records, Verdict, homes, judge, next_turn, plan
from gateway.ports import Clock, Downstream, Inbound
from gateway.runtime.audit_tail import AuditTail
from gateway.runtime.bundles import Bundle
from gateway.runtime.call import Ids, Planted
from gateway.runtime.canary_book import FILE, Fared, read_book, write_book
from gateway.runtime.instruments import Reading
from gateway.runtime.mirror import Nobody
from gateway.telemetry import EventLog
from gateway.wire.requests import Dialect

SETTLE_S: Final = 2.0
"""How long after the start the first is sent: by then it is known which servers are well."""
LONGEST_S: Final = 120.0
"""How long one may take."""
SEEN_WITHIN_S: Final = 15.0
"""How long a record may take to the disk: the log syncs each second, and opens a new segment in another."""
COPIED_WITHIN_S: Final = 5.0
"""How long a copy for a mirror is waited for besides."""
LOOK_EVERY_S: Final = 0.2

_PATH: Final = b"/v1/chat/completions"

log = EventLog(__name__)

_T = TypeVar("_T")

Spawn = Callable[[Coroutine[None, None, None]], "asyncio.Task[None]"]


class Serve(Protocol):
    """`Pipeline.serve`, as canaries call it."""

    def __call__(
        self, dialect: Dialect, inbound: Inbound, downstream: Downstream, spawn: Spawn, planted: Planted | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Rules:
    """Each class has a canary every `every_s` seconds, for `model` or for any that the tenant may call."""

    every_s: float
    model: str | None = None


def live_canary_of(
    block: CanaryBlock | None,
    *,
    worker: int,
    state_dir: Path,
    bundle: Callable[[], Bundle],
    serve: Serve,
    serves: Callable[[], bool],
    clock: Clock,
    draw: Callable[[], float],
) -> "LiveCanary | None":
    """What sends canaries; None where none are asked for, and in all workers but the first."""
    if block is None or worker != 0:
        return None
    rules = Rules(block.every_s, block.model.text if block.model is not None else None)
    return LiveCanary(
        rules, worker=worker, state_dir=state_dir, bundle=bundle, serve=serve, serves=serves, clock=clock, draw=draw
    )


class Caller(Nobody):
    """The client of a canary: `over` is set once it has its answer, whatever that is."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self._on_gone: Callable[[], None] = lambda: None

    def finish(self) -> None:
        """The answer is complete."""
        self.over.set()

    def abort(self) -> None:
        """There will be no more of it."""
        self.over.set()

    def watch(self, on_gone: Callable[[], None], on_full: Callable[[], None], on_drained: Callable[[], None]) -> None:  # noqa: ARG002 -- it takes everything at once
        """It leaves only when it has waited too long, or the gateway stops."""
        self._on_gone = on_gone

    def leave(self) -> None:
        """Do not wait any longer."""
        if not self.over.is_set():
            self._on_gone()


class LiveCanary:
    """One worker's. `bundle` is asked for what governs now, `serve` is the pipeline, and `serves` says whether it still
    serves clients or another worker does. `draw` gives numbers from 0 to below 1: it chooses tenants, models, digits.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        worker: int,
        state_dir: Path,
        bundle: Callable[[], Bundle],
        serve: Serve,
        serves: Callable[[], bool],
        clock: Clock,
        draw: Callable[[], float],
    ) -> None:
        self._rules = rules
        self._worker = worker
        self._audit = state_dir / "audit"
        self._book = state_dir / FILE
        self._bundle = bundle
        self._serve = serve
        self._serves = serves
        self._clock = clock
        self._draw = draw
        self._ids = Ids()
        self._plan = Plan({}, {})
        self._planned_for = ""
        self._fared: dict[str, Fared] = {}
        self._counts: dict[tuple[str, Verdict], int] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Send them until `stop`; one that is then under way is broken off and not judged."""
        self._fared, self._planned_for = dict(await asyncio.to_thread(read_book, self._book)), ""
        self._look_around()
        wait_s = SETTLE_S
        async with asyncio.TaskGroup() as group:
            while not await _is_set(stop, wait_s):
                asked = self._look_around().asked
                then = next_turn(self._clock.wall(), self._rules.every_s, max(1, len(asked)))
                if asked:
                    # Whoever has waited longest, also over restarts: so nobody is passed over for good.
                    name = min(asked, key=lambda name: self._fared[name].at)
                    await self._ask(name, stop, group.create_task)
                # Not for long if the clock was set back meanwhile.
                wait_s = min(max(0.0, then - self._clock.wall()), 2 * self._rules.every_s)

    def readings(self) -> Iterator[Reading]:
        """How many there were, and when one of each class was last held."""
        for name in self._plan.asked:
            for verdict in Verdict:
                yield measures.CANARIES, (name, str(verdict)), self._counts.get((name, verdict), 0)
            fared = self._fared.get(name)
            if fared is not None:
                yield measures.CANARY_HELD, (name,), fared.held_at or fared.since

    def told(self) -> dict[str, object]:
        """How they fare, for whoever looks at the gateway."""
        return {
            "every_s": self._rules.every_s,
            "classes": {name: msgspec.to_builtins(self._fared.get(name)) for name in self._plan.asked},
            "skipped": {name: str(reason) for name, reason in self._plan.skipped.items()},
        }

    # Inside

    def _look_around(self) -> Plan:
        """Who is asked for what under the bundle of now."""
        bundle = self._bundle()
        if bundle.digest != self._planned_for:
            self._planned_for = bundle.digest
            self._plan = plan(bundle.policy, bundle.tenants.values(), SCORES, self._rules.model)
            for name, reason in self._plan.skipped.items():
                log.warning("canary_skipped", tenant_class=name, reason=str(reason))
            now = self._clock.wall()
            self._fared = {name: self._fared.get(name) or Fared(now) for name in self._plan.asked}
        return self._plan

    async def _ask(self, name: str, stop: asyncio.Event, spawn: Spawn) -> None:
        """Send one of the class `name`, and note what became of it."""
        request_id = self._ids.new()
        try:
            verdict = await self._verdict(name, request_id, stop, spawn)
        except Exception as exc:  # noqa: BLE001 -- whatever is wrong with a canary, requests are served on
            log.crash("canary_crashed", exc, request_id=request_id)
            verdict = Verdict.FAILED
        if verdict is None:
            return
        self._counts[name, verdict] = self._counts.get((name, verdict), 0) + 1
        before = self._fared.get(name) or Fared(self._clock.wall())
        self._fared[name] = before.with_another(verdict, request_id, self._clock.wall())
        say = log.error if verdict in ALARMS else log.info if verdict is Verdict.HELD else log.warning
        event = "canary_alarm" if verdict in ALARMS else f"canary_{verdict}"
        say(event, tenant_class=name, reason=str(verdict), request_id=request_id, bundle=self._planned_for)
        try:
            await asyncio.to_thread(write_book, self._book, dict(self._fared))
        except OSError as exc:
            log.warning("canary_book_unwritable", error=type(exc).__name__, errno=exc.errno)

    async def _verdict(self, name: str, request_id: str, stop: asyncio.Event, spawn: Spawn) -> Verdict | None:
        """What becomes of one; None if nobody can tell: the gateway stops, another bundle came into force, or another
        worker serves in this one's place."""
        tail = await asyncio.to_thread(AuditTail, self._audit, self._worker)
        # From here on nothing waits: what is expected of it is what the bundle says under which it is served.
        bundle, asked = self._bundle(), self._look_around().asked.get(name)
        if asked is None or not self._serves():
            return None
        turn = self._fared[name].sent
        guise, bait = self._one_of(asked.guises), asked.baits[(turn // 2 + turn // 16) % len(asked.baits)]
        body = {
            "model": self._one_of(guise.models),
            "messages": messages(bait.entity, turn, self._draw),
            "max_tokens": 1,
        }
        inbound = Inbound(
            b"POST", _PATH, None, msgspec.json.encode(body), self._clock.monotonic(), answer_within_s=LONGEST_S
        )
        caller = Caller()
        self._serve(Dialect.CHAT, inbound, caller, spawn, Planted(request_id, guise.tenant, guise.scopes))
        await _is_set(stop, LONGEST_S, caller.over)
        caller.leave()
        records = await self._read_back(tail, request_id, stop)
        if stop.is_set():
            return None
        verdict = judge(records, bait.label, homes(bundle.policy, bundle.topology, bait.label))
        outcome = records.outcome
        is_other = outcome is not None and outcome.bundle != bundle.digest
        return None if is_other and verdict is not Verdict.LEFT else verdict

    async def _read_back(self, tail: AuditTail, request_id: str, stop: asyncio.Event) -> Records:
        """What the log says of it, as soon as it says how it ended; what it says by then if it does not."""
        found = Records()
        until = self._clock.monotonic() + SEEN_WITHIN_S
        while not _is_whole(found) and self._clock.monotonic() < until and not await _is_set(stop, LOOK_EVERY_S):
            had = found.outcome
            try:
                entries = await asyncio.to_thread(lambda: tuple(tail.more()))
            except OSError:
                # A folder or a file that cannot be read holds no record.
                continue
            for entry in entries:
                match entry:
                    case Outcome(request_id=own) if own == request_id:
                        found = replace(found, outcome=entry)
                    # One is under way at a time: what else is a canary's is this one's, or a late copy of the last.
                    case Intent():
                        found = replace(found, intents=(*found.intents, entry))
                    case Mirrored():
                        found = replace(found, copies=(*found.copies, entry))
                    case _:
                        pass
            if found.outcome is not had:
                # A copy for a mirror may end later; there is none where the mirror had no room.
                until = self._clock.monotonic() + COPIED_WITHIN_S
        return found

    def _one_of(self, choice: Sequence[_T]) -> _T:
        return choice[int(self._draw() * len(choice))]


def _is_whole(records: Records) -> bool:
    """Whether no more is to come."""
    outcome = records.outcome
    if outcome is None:
        return False
    has_mirror = isinstance(outcome.decision, Allow) and outcome.decision.mirror is not None
    return not has_mirror or bool(records.copies)


async def _is_set(stop: asyncio.Event, within_s: float, other: asyncio.Event | None = None) -> bool:
    """Whether `stop` is set, once it is, once `other` is, or after `within_s`."""
    waits = [asyncio.ensure_future(event.wait()) for event in (stop, other) if event is not None]
    try:
        await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return stop.is_set()
