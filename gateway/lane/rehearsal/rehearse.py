"""The whole life of a lane on one machine: upload, deploy, invoke, burst, scale, update, take back, destroy.

What runs is what runs in earnest: the same plans, calls, upload and removal, against stand-ins. What the stand-ins
cannot show is no part of the result; the command that prints it says so.
"""

import hashlib
import json
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from gateway.core.deployment import Access, Lane
from gateway.lane.deploy.aws import Keys, Network
from gateway.lane.deploy.calls import Aws, Call, Declined, Document, Unreached, group, listed, text
from gateway.lane.deploy.carrying import Patience, Screen
from gateway.lane.deploy.documents import Wanted
from gateway.lane.deploy.observed import Observed
from gateway.lane.deploy.operations import Place, TakenBack, deploy, destroy, planned, scale, take_back, warm
from gateway.lane.deploy.upload import package_of
from gateway.lane.rehearsal import children
from gateway.lane.rehearsal.parcel import unpack

_PATIENCE: Final = Patience(poll_s=0.1)
_BURST: Final = 24
_AT_ONCE: Final = 8
_LOADS_S: Final = 120.0
_BODY: Final = {"messages": [{"role": "user", "content": "Say one word."}], "max_tokens": 4, "temperature": 0}

Container = Callable[[Path, Path], AbstractContextManager[str]]
"""Runs an unpacked package, with a folder for itself; where it listens."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was done: its name in the table of words, what came of it, and whether that is right."""

    key: str
    is_good: bool
    seconds: float
    facts: dict[str, object]


class Rehearsal:
    """One run, in a folder that is thrown away afterwards. Yields a row after each thing that was done."""

    def __init__(self, lane: Lane, package: Path, folder: Path, screen: Screen, container: Container | None) -> None:
        self._lane = lane
        self._package = package
        self._folder = folder
        self._screen = screen
        self._container = container
        self._keys = Keys("AKIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30))
        self._stack = ExitStack()
        self._started = 0.0

    def rows(self) -> Iterator[Row]:
        """Do it all; raises what deploying raises, and children.DidNotStart."""
        with self._stack:
            self._started = time.monotonic()
            url = self._stack.enter_context(children.control_plane(self._lane.region))
            self._lane = replace(self._lane, account=None, access=Access(address=url))
            aws = Network(self._lane.region, self._lane.access, self._folder, self._keys)
            aws.ask(Call("s3", "CreateBucket", _bucket(self._lane)))
            yield self._row("stood_up", True, calls=0)
            place = Place.of(aws, self._lane)
            wanted = Wanted(place.names, package_of(self._package))
            yield from self._deployed(place, wanted)
            if self._container is not None:
                yield from self._used(aws, place, wanted)
            yield from self._changed(place, wanted)
            left = destroy(place, self._screen, _PATIENCE, keep_logs=False)
            yield self._row("destroyed", not left and place.seen().is_nothing, left=len(left))

    def _deployed(self, place: Place, wanted: Wanted) -> Iterator[Row]:
        steps, _ = planned(place, wanted)
        seen = deploy(place, wanted, self._package, self._screen, _PATIENCE)
        serves = seen.endpoint is not None and seen.endpoint.config == wanted.config
        yield self._row("deployed", serves, steps=len(steps), mib=round(wanted.package.size / (1 << 20), 1))
        again, _ = planned(place, wanted)
        yield self._row("idempotent", not again, steps=len(again))

    def _used(self, aws: Aws, place: Place, wanted: Wanted) -> Iterator[Row]:
        assert self._container is not None  # noqa: S101 -- asked for by the caller
        model = self._folder / "model"
        model.mkdir()
        data = _fetched(aws, wanted)
        files = unpack(data, model)
        yield self._row("fetched", hashlib.sha256(data).hexdigest() == wanted.package.sha256, files=files)
        at = self._stack.enter_context(self._container(model, self._folder))
        url = self._stack.enter_context(children.runtime(self._lane.region, self._lane.name, at, self._keys))
        _until_loaded(self._asker(url), self._lane.name)
        yield self._row("loaded", True)
        whole = _invoked(self._asker(url), self._lane.name)
        yield self._row("invoked", bool(whole), said=whole)
        parts, streamed = _streamed(self._asker(url), self._lane.name)
        yield self._row("streamed", streamed, parts=parts)
        load = _burst(lambda: self._asker(url), self._lane.name)
        yield self._row("burst", load.answered == _BURST, sent=_BURST, answered=load.answered, most=load.most_at_once)
        yield from self._scaled(place, load.most_at_once)

    def _scaled(self, place: Place, at_once: int) -> Iterator[Row]:
        """As the rule that is registered would: so many copies that each has its share in hand."""
        seen = place.seen()
        target = _target_value(seen, place.names.concurrent)
        wished = math.ceil(at_once / target)
        bounds = self._lane.scaling
        count = max(bounds.least, min(bounds.most, wished))
        scale(place, count, self._screen, _PATIENCE)
        now = place.seen()
        have = (now.component or now.endpoint).coming if now.endpoint is not None else 0
        yield self._row("scaled", have == count, count=count, least=bounds.least, most=bounds.most)

    def _changed(self, place: Place, wanted: Wanted) -> Iterator[Row]:
        from datetime import UTC, datetime

        end = warm(place, self._lane.scaling.most, 600.0, lambda: datetime.now(UTC), self._screen, _PATIENCE)
        seen = place.seen()
        is_warm = seen.warm_until == f"{end:%Y-%m-%dT%H:%M:%S}"
        yield self._row("warmed", is_warm, least=self._lane.scaling.most, until=f"{end:%H:%M:%S}")
        if self._lane.scaling.to_zero:
            return
        newer = _with(wanted, "TIDEGATE_CONCURRENCY", "32")
        deploy(Place(place.aws, newer.names), newer, self._package, self._screen, _PATIENCE)
        now = place.seen().endpoint
        yield self._row("updated", now is not None and now.config == newer.config)
        yield self._row("taken_back", self._is_taken_back(place, _with(wanted, "TIDEGATE_CONCURRENCY", "0")))
        config = take_back(place, self._screen, _PATIENCE)
        yield self._row("back", config == wanted.config)

    def _is_taken_back(self, place: Place, bad: Wanted) -> bool:
        """Whether an update during which an alarm goes off leaves the version before in place."""
        before = place.seen().endpoint
        alarmed = _Alarmed(place.aws, place.names.errors_alarm)
        try:
            deploy(Place(alarmed, bad.names), bad, self._package, self._screen, _PATIENCE)
        except TakenBack:
            after = place.seen().endpoint
            state = {"AlarmName": place.names.errors_alarm, "StateValue": "OK", "StateReason": "rehearsal"}
            place.aws.ask(Call("cloudwatch", "SetAlarmState", state))
            return before is not None and after is not None and before.config == after.config
        return False

    def _asker(self, url: str) -> Network:
        return Network(self._lane.region, Access(address=url), self._folder, self._keys)

    def _row(self, key: str, is_good: bool, **facts: object) -> Row:
        now = time.monotonic()
        seconds, self._started = now - self._started, now
        return Row(key, is_good, seconds, facts)


class _Alarmed:
    """Hands under which an alarm goes off as soon as an update has begun."""

    def __init__(self, aws: Aws, alarm: str) -> None:
        self._aws = aws
        self._alarm = alarm

    def ask(self, call: Call) -> Document:
        answer = self._aws.ask(call)
        if call.operation == "UpdateEndpoint":
            state = {"AlarmName": self._alarm, "StateValue": "ALARM", "StateReason": "rehearsal"}
            self._aws.ask(Call("cloudwatch", "SetAlarmState", state))
        return answer

    def every(self, call: Call, key: str) -> Iterator[Document]:
        return self._aws.every(call, key)


@dataclass(frozen=True, slots=True)
class _Load:
    answered: int
    most_at_once: int


def _bucket(lane: Lane) -> Document:
    where = {"CreateBucketConfiguration": {"LocationConstraint": lane.region}} if lane.region != "us-east-1" else {}
    return {"Bucket": lane.bucket, **where}


def _with(wanted: Wanted, name: str, value: str) -> Wanted:
    environment = tuple(sorted({**dict(wanted.lane.environment), name: value}.items()))
    return replace(wanted, names=replace(wanted.names, lane=replace(wanted.lane, environment=environment)))


def _fetched(aws: Aws, wanted: Wanted) -> bytes:
    """The package, from where the model says it is."""
    model = aws.ask(Call("sagemaker", "DescribeModel", {"ModelName": wanted.model}))
    url = text(group(model, "PrimaryContainer"), "ModelDataUrl")
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return _read(aws.ask(Call("s3", "GetObject", {"Bucket": bucket, "Key": key})), "Body")


def _read(answer: Document, key: str) -> bytes:
    body = answer.get(key)
    read = getattr(body, "read", None)
    data = read() if callable(read) else b""
    return data if isinstance(data, bytes) else b""


def _asked(endpoint: str, *, stream: bool = False) -> Document:
    body = json.dumps({**_BODY, "stream": True} if stream else _BODY).encode()
    return {"EndpointName": endpoint, "ContentType": "application/json", "Body": body}


def _until_loaded(aws: Aws, endpoint: str) -> None:
    ends = time.monotonic() + _LOADS_S
    while True:
        try:
            aws.ask(Call("sagemaker-runtime", "InvokeEndpoint", _asked(endpoint)))
        except (Declined, Unreached):
            if time.monotonic() >= ends:
                raise
            time.sleep(0.2)
        else:
            return


def _invoked(aws: Aws, endpoint: str) -> str:
    answer = json.loads(_read(aws.ask(Call("sagemaker-runtime", "InvokeEndpoint", _asked(endpoint))), "Body"))
    [choice] = listed(answer, "choices")
    return text(group(choice, "message"), "content").strip()


def _streamed(aws: Aws, endpoint: str) -> tuple[int, bool]:
    """In how many parts a stream came, and whether it came to its end."""
    asked = Call("sagemaker-runtime", "InvokeEndpointWithResponseStream", _asked(endpoint, stream=True))
    events = aws.ask(asked).get("Body")
    parts = [event["PayloadPart"]["Bytes"] for event in events or () if "PayloadPart" in event]  # type: ignore[attr-defined]
    return len(parts), b"".join(parts).rstrip().endswith(b"data: [DONE]")


def _burst(asker: Callable[[], Aws], endpoint: str) -> _Load:
    """Many requests at once: how many were answered, and how many were under way at the same time at most."""
    lock = threading.Lock()
    at_once = most = answered = 0
    waiting = list(range(_BURST))

    def work() -> None:
        nonlocal at_once, most, answered
        aws = asker()
        while True:
            with lock:
                if not waiting:
                    return
                waiting.pop()
                at_once += 1
                most = max(most, at_once)
            good = 1
            try:
                _invoked(aws, endpoint)
            except (Declined, Unreached):
                good = 0
            with lock:
                at_once -= 1
                answered += good

    threads = [threading.Thread(target=work) for _ in range(_AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _Load(answered, most)


def _target_value(seen: Observed, name: str) -> float:
    """How many requests in hand the registered rule allows each copy."""
    rule = group(seen.policies[name].document, "TargetTrackingScalingPolicyConfiguration")
    value = rule.get("TargetValue")
    return float(value) if isinstance(value, int | float) else 1.0
