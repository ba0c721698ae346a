"""`tidegate explain ID`: who sent a request, what was found in it, where it went and why, from the audit log.

While the configuration is the one of then, the policy is asked again by the function of the live path; otherwise only
what was recorded is told, and that is said. Nothing here knows the request's text: nobody wrote it down.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gateway.cli.complexity_words import said
from gateway.cli.demo_words import language_of
from gateway.cli.explain_words import say
from gateway.cli.main import Subparsers
from gateway.core.decision import Allow, Decision, Deny
from gateway.core.findings import Evidence
from gateway.core.labels import Label
from gateway.core.prices import money
from gateway.core.records import Attempt, FullScan, Intent, Outcome, ScanEnding, ScanReason
from gateway.detect.scanner import scanner_digest
from gateway.policy.decide import decide
from gateway.policy.explain import explain
from gateway.policy.words import Language
from gateway.runtime.audit_folder import Told, find
from gateway.settings import CONFIG_VARIABLE, Settings, load


def add_commands(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `tidegate explain`."""
    parser = subparsers.add_parser("explain", help="say why a request went where it went")
    parser.add_argument("id", help="x-tidegate-decision or x-request-id of the answer: `dec_…`, `req_…` or the bare id")
    parser.add_argument(
        "--config",
        metavar="DIR",
        type=Path,
        default=Path(os.environ.get(CONFIG_VARIABLE) or "."),
        help=f"the folder with gateway.yaml; ${CONFIG_VARIABLE} or the current one if not given",
    )
    parser.add_argument("--language", choices=("en", "zh"), help="default: what your locale says")
    parser.add_argument("--json", action="store_true", help="print the records and the explanation as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """`tidegate explain`."""
    chosen = arguments.language or language_of(dict(os.environ))
    language: Language = "zh" if chosen == "zh" else "en"
    settings = load(arguments.config, os.environ)
    folder = settings.state_dir / "audit"
    request_id = arguments.id.removeprefix("dec_").removeprefix("req_")
    told = find(folder, request_id) if request_id.isalnum() and request_id.isascii() else None
    if told is None:
        print(f"tidegate: {say('unknown', language, id=arguments.id, place=folder)}", file=sys.stderr)
        return 1
    lines = list(Story(told, settings, language).lines())
    print(_as_json(told, lines) if arguments.json else "\n".join(lines))
    return 0


class Story:
    """What is told of one request."""

    def __init__(self, told: Told, settings: Settings, language: Language) -> None:
        self._told = told
        self._settings = settings
        self._language: Language = language

    def lines(self) -> Iterator[str]:
        """The story, line by line."""
        outcome = self._told.outcome
        if outcome is None:
            yield from self._intents_only(self._told.intents)
            return
        yield self._request(outcome)
        if outcome.canary:
            yield self._say("canary")
        if outcome.scored is not None:
            yield from said(outcome.scored, self._language)
        if outcome.facts is None:
            yield self._say("undecided")
        elif outcome.bundle == self._live_bundle():
            yield self._say("live")
            policy = self._settings.bundle.policy
            yield from explain(policy, outcome.evidence, outcome.facts, self._language).splitlines()
        else:
            yield self._say("not_live", bundle=outcome.bundle[:12])
            yield from self._recorded(outcome)
        if outcome.full_scan is not None:
            yield from self._full_scan(outcome, outcome.full_scan)
        yield from self._happened(outcome)

    def _say(self, key: str, **gaps: object) -> str:
        return say(key, self._language, **gaps)

    def _list(self, words: tuple[str, ...]) -> str:
        return self._say("list").join(words)

    def _live_bundle(self) -> str:
        bundle = self._settings.bundle
        return bundle.with_scanner(scanner_digest(bundle.policy.markers, bundle.recognizers)).digest

    def _intents_only(self, intents: tuple[Intent, ...]) -> Iterator[str]:
        first = intents[0]
        yield self._say("intent_only", id=first.request_id, when=_when(first.at), tenant=first.tenant)
        for intent in intents:
            yield self._may_have_been_sent(intent)

    def _request(self, outcome: Outcome) -> str:
        return self._say(
            "request",
            id=outcome.request_id,
            when=_when(outcome.at - outcome.ms / 1000),
            tenant=outcome.tenant or self._say("nobody"),
            path=outcome.path,
            status=outcome.status,
            ms=f"{outcome.ms:.0f}",
        )

    def _recorded(self, outcome: Outcome) -> Iterator[str]:
        facts, decision = outcome.facts, outcome.decision
        if facts is not None and facts.label_low == facts.label_high:
            yield self._say("label", label=self._label(facts.label_high))
        elif facts is not None:
            yield self._say("label_two", high=self._label(facts.label_high), low=self._label(facts.label_low))
        if outcome.evidence is not None:
            yield from self._evidence(outcome.evidence)
        if isinstance(decision, Deny):
            yield self._say("deny", route=decision.route, message=decision.message)
        elif decision is not None:
            key = "allow_spill" if decision.spill else "allow"
            yield self._say(key, route=decision.route, to=self._list(decision.to), spill=self._list(decision.spill))

    def _label(self, label: Label) -> str:
        names = self._told.labels or ()
        return names[label] if label < len(names) else self._say("rank", rank=label)

    def _evidence(self, evidence: Evidence) -> Iterator[str]:
        coverage = evidence.coverage
        if coverage.failure is not None:
            yield self._say("scan_failed", failure=coverage.failure)
        elif not evidence.findings and not coverage.unscanned:
            yield self._say("nothing_found")
        for finding in evidence.findings:
            yield self._say(
                "finding_disguised" if finding.transforms else "finding",
                entity=finding.entity,
                score=f"{finding.score:.2f}",
                path=finding.path,
                detector=finding.detector,
                views=" → ".join(finding.transforms),
            )
        for part in coverage.unscanned:
            yield self._say("unscanned", carrier=part.carrier, path=part.path)

    def _full_scan(self, outcome: Outcome, scan: FullScan) -> Iterator[str]:
        yield self._say(f"scan_{scan.because}", ms=f"{scan.ms:.0f}")
        if scan.because is ScanReason.ALWAYS:
            if scan.ending is not ScanEnding.COMPLETED:
                yield self._say("scan_always_incomplete")
        elif scan.ending is not ScanEnding.COMPLETED:
            yield self._say(f"scan_{scan.ending}")
        elif outcome.facts is not None and scan.label_low is not None and scan.label_high is not None:
            facts = msgspec.structs.replace(outcome.facts, label_low=scan.label_low, label_high=scan.label_high)
            before, after = self._label(scan.label_high), self._label(outcome.facts.label_high)
            yield self._say("scan_same_label" if before == after else "scan_relabelled", before=before, after=after)
            if outcome.bundle == self._live_bundle():
                yield from self._moved(decide(self._settings.bundle.policy, facts), outcome.decision)

    def _moved(self, first: Decision, second: Decision | None) -> Iterator[str]:
        """Which pools the second decision has that the first had not, and the other way round."""
        before, after = (one.pools if isinstance(one, Allow) else () for one in (first, second))
        opened, closed = (
            tuple(name for name in here if name not in there) for here, there in ((after, before), (before, after))
        )
        if opened:
            yield self._say("scan_opened", pools=self._list(opened))
        if closed:
            yield self._say("scan_closed", pools=self._list(closed))
        if not opened and not closed:
            yield self._say("scan_same_pools")

    def _happened(self, outcome: Outcome) -> Iterator[str]:
        if outcome.queued_ms >= 1:
            yield self._say("queued", ms=f"{outcome.queued_ms:.0f}")
        if outcome.stayed is not None:
            yield self._say(f"kept_{outcome.stayed}")
        if outcome.attempts:
            yield self._say("attempts")
            for number, attempt in enumerate(outcome.attempts, 1):
                yield self._attempt(number, attempt)
                if attempt.detail.startswith("cold start"):
                    yield self._say("attempt_cold")
        yield from self._whereabouts(outcome)
        cached = outcome.cached
        if cached is not None:
            tokens = {"prompt": cached.prompt_tokens, "completion": cached.completion_tokens}
            yield self._say("cached", age=f"{cached.age_s:.0f}", **tokens)
        elif outcome.usage is not None:
            yield self._say("usage", prompt=outcome.usage.prompt_tokens, completion=outcome.usage.completion_tokens)
        elif outcome.reckoned is not None:
            reckoned = outcome.reckoned
            yield self._say("reckoned", prompt=reckoned.prompt_tokens, completion=reckoned.completion_tokens)
        if outcome.cost_micros:
            currency = self._settings.bundle.prices.currency
            yield self._say("cost", money=f"{money(outcome.cost_micros, 6)} {currency}".rstrip())
        if outcome.error is not None:
            yield self._say("error", error=outcome.error)
        yield self._say("ending", ending=self._say(f"ending_{outcome.ending}"))

    def _attempt(self, number: int, attempt: Attempt) -> str:
        return self._say(
            "attempt" if attempt.status is None else "attempt_status",
            number=number,
            pool=attempt.pool,
            zone=attempt.zone,
            endpoint=attempt.endpoint,
            ending=self._say(f"ending_{attempt.ending}"),
            status=attempt.status,
            ms=f"{attempt.ms:.0f}",
        )

    def _whereabouts(self, outcome: Outcome) -> Iterator[str]:
        # A cloud server that gave a status has the request. One that gave none, or an intent that no attempt followed,
        # proves nothing either way, and is told as such.
        answered = {
            attempt.pool for attempt in outcome.attempts if attempt.zone != "onprem" and attempt.status is not None
        }
        unsure = [intent for intent in self._told.intents if intent.pool not in answered]
        if answered:
            yield self._say("left", pools=self._list(tuple(sorted(answered))))
        for intent in unsure:
            yield self._may_have_been_sent(intent)
        if answered or unsure:
            return
        yield self._say("stayed" if outcome.attempts else "no_attempt")

    def _may_have_been_sent(self, intent: Intent) -> str:
        return self._say(
            "may_have_been_sent", pool=intent.pool, zone=intent.zone, label=intent.label, route=intent.route
        )


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _as_json(told: Told, lines: list[str]) -> str:
    shown = {
        "intents": told.intents,
        "outcome": told.outcome,
        "labels": told.labels,
        "explanation": lines,
    }
    return msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()
