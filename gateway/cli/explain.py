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

from gateway.cli import explain_attempts, explain_copies
from gateway.cli.complexity_words import said
from gateway.cli.demo_words import language_of
from gateway.cli.explain_words import say
from gateway.cli.main import Subparsers
from gateway.core.decision import Allow, Decision, Deny
from gateway.core.findings import Evidence
from gateway.core.labels import Label
from gateway.core.prices import money
from gateway.core.records import FullScan, Outcome, ScanEnding, ScanReason
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
    lines = list(Story(told, settings, language, asked=request_id).lines())
    print(_as_json(told, lines) if arguments.json else "\n".join(lines))
    return 0


class Story:
    """What is told of one request, and of its copies. `asked` is the id that was asked for."""

    def __init__(self, told: Told, settings: Settings, language: Language, *, asked: str) -> None:
        self._told = told
        self._asked = asked
        self._settings = settings
        self._language: Language = language

    def lines(self) -> Iterator[str]:
        """The story, line by line."""
        if any(copy.record.request_id == self._asked for copy in self._told.copies):
            yield self._say("is_copy", id=self._asked)
        outcome = self._told.outcome
        if outcome is None:
            yield from self._no_outcome()
        else:
            yield from self._whole(outcome)
        yield from self._copies(outcome)

    def _whole(self, outcome: Outcome) -> Iterator[str]:
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

    def _no_outcome(self) -> Iterator[str]:
        intents = self._told.intents
        if not intents:
            yield self._say("copy_only", id=self._told.copies[0].record.copy_of)
            return
        first = intents[0]
        yield self._say("intent_only", id=first.request_id, when=_when(first.at), tenant=first.tenant)
        for intent in intents:
            yield explain_attempts.may_have_been_sent(intent, self._language)

    def _copies(self, outcome: Outcome | None) -> Iterator[str]:
        copies, bundle = self._told.copies, self._settings.bundle
        for copy in copies:
            is_live = copy.record.bundle == self._live_bundle()
            clearance = explain_copies.clearance_of(copy, bundle.topology, bundle.policy.order) if is_live else None
            yield from explain_copies.lines(copy, self._language, currency=bundle.prices.currency, clearance=clearance)
        without = explain_copies.none_made(outcome, copies) if outcome is not None else None
        if without is not None:
            yield self._say("no_copy", pool=without)

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
            if decision.mirror is not None:
                yield self._say("mirror", percent=f"{decision.mirror.percent:g}", pool=decision.mirror.pool)

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
            yield from explain_attempts.told(outcome.attempts, self._language)
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
        yield self._say("ending", ending=explain_attempts.ended(outcome.ending, self._language))

    def _whereabouts(self, outcome: Outcome) -> Iterator[str]:
        left = explain_attempts.answered(outcome.attempts)
        unsure = explain_attempts.unsure(outcome.attempts, self._told.intents)
        if left:
            yield self._say("left", pools=self._list(left))
        for intent in unsure:
            yield explain_attempts.may_have_been_sent(intent, self._language)
        if left or unsure:
            return
        key = "stayed" if outcome.attempts else "no_attempt"
        yield self._say(f"{key}_itself" if explain_copies.may_have_left(self._told.copies) else key)


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _as_json(told: Told, lines: list[str]) -> str:
    shown = {
        "intents": told.intents,
        "outcome": told.outcome,
        "labels": told.labels,
        "copies": told.copies,
        "explanation": lines,
    }
    return msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()
