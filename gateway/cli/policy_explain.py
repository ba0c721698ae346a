"""`tidegate policy explain`: what a policy would decide for a text, a request or facts, and why; nothing is sent.

The text goes through the gateway's scanner, the facts through the functions that decide live. A request that was served
already is `--decision`'s, which reads the audit log.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from msgspec import to_builtins
from msgspec.structs import replace

from gateway.cli import explain as of_record
from gateway.cli import policy_files
from gateway.cli.complexity_words import said
from gateway.cli.demo_table import Colour
from gateway.cli.endings import told
from gateway.cli.main import Subparsers
from gateway.cli.page import Page
from gateway.cli.policy_asked import Asked, asked, chat, models_asked, scanned, scanner_for
from gateway.cli.policy_files import Loaded
from gateway.cli.problem_report import GOOD, Misuse, text_of
from gateway.cli.spoken import add_language, language
from gateway.core import written
from gateway.core.facts import RequestFacts, Tenant
from gateway.core.problems import did_you_mean
from gateway.core.reading import Reader, shown
from gateway.core.records import Scored
from gateway.core.written import Group, Node, Place, Scalar
from gateway.policy import given_facts
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.explain import as_json, explanation, lines
from gateway.policy.labelling import label
from gateway.runtime.scoring import scoring_of
from gateway.settings import CONFIG_VARIABLE

UNNAMED_CLASS: Final = "any-other-class"
"""What a counterexample calls a tenant class that no file names (`policy/shown_facts.py`)."""
_LARGEST_REQUEST: Final = 64 << 20
"""The most that `limits.body` of gateway.yaml can allow."""
_FROM_CONTENT: Final = ("label", "label_low", "capabilities", "modalities", "context")


def add_command(commands: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `explain`."""
    parser = commands.add_parser(
        "explain",
        help="say what a policy decides for a text, a request or facts, and why",
        epilog="Facts: label, model, tenant_class, ceiling, capabilities, complexity, modalities, context, time "
        '("mon 09:30"), pressure ({"onprem": "saturated"}), budget. docs/policy.md says what each means.',
    )
    policy_files.add_file(parser)
    what = parser.add_argument_group("what is asked (one of the first three, or facts alone)")
    one = what.add_mutually_exclusive_group()
    one.add_argument("--text", help="a chat with this one message; `-` reads it from standard input")
    one.add_argument("--request", metavar="FILE", type=Path, help="a chat request as JSON")
    one.add_argument(
        "--decision",
        metavar="ID",
        help="a request that was served: `dec_…` or `req_…`; reads the audit log of --config",
    )
    what.add_argument("--facts", metavar="JSON", help='what a request does not say itself: {"time": "sat 09:00", …}')
    what.add_argument("--tenant", metavar="NAME", help="who asks: a tenant of tenants.yaml")
    what.add_argument("--model", metavar="NAME", help="the model that is asked for; the policy's first if not given")
    what.add_argument(
        "--full", action="store_true", help="let the models of the tier `ner` read too, as before a request may leave"
    )
    add_language(parser)
    parser.set_defaults(run=told(_explain))


def _explain(arguments: argparse.Namespace) -> int:
    if arguments.decision is not None:
        return _of_record(arguments)
    loaded = policy_files.load(policy_files.named(arguments, arguments.file))
    if loaded.bundle is None:
        raise Misuse(str(loaded.files.policy), "Without pools nothing can be decided.", "Name them with --pools.")
    what = _what(arguments, loaded.policy)
    facts = _facts(arguments, loaded, what)
    attested = loaded.attested.get(facts.tenant_class)
    evidence = scored = None
    if what is not None:
        scored = _scored(arguments, loaded, what)
        if scored is not None:
            facts = replace(facts, complexity=scored.band)
        models = models_asked("--full") if arguments.full else None
        evidence = scanned(what, scanner_for(loaded.policy.markers, loaded.recognizers), models)
        low, high = label(loaded.policy, evidence, attested)
        facts = replace(facts, label_low=low, label_high=high)
    explained = explanation(loaded.policy, evidence, facts, attested)
    if arguments.json:
        parts = {"complexity": to_builtins(scored)} if scored is not None else {}
        print(text_of({"ok": True, "problems": [], **as_json(explained), **parts}))
    else:
        spoken = language(arguments)
        story = [*(said(scored, spoken) if scored is not None else ()), *lines(explained, spoken)]
        # A route that is for others is nothing wrong.
        Page.on(sys.stdout, os.environ).say("\n".join(story), crossed=Colour.DIM)
    return GOOD


def _scored(arguments: argparse.Namespace, loaded: Loaded, what: Asked) -> Scored | None:
    """How hard the request looks; None if the policy does not ask, or the facts say it."""
    scoring = scoring_of(loaded.policy)
    document = written.parse((arguments.facts or "{}").encode(errors="replace"), "--facts")
    keys = [key.text for key, _ in document.root.entries] if isinstance(document.root, Group) else []
    return None if scoring is None or "complexity" in keys else scoring.of(what.request)


def _of_record(arguments: argparse.Namespace) -> int:
    for option in ("file", "facts", "tenant", "model"):
        if getattr(arguments, option) is not None:
            raise Misuse("--decision", "What was served has its own policy and facts.", "Give --config alone.")
    record = argparse.Namespace(
        id=arguments.decision,
        config=arguments.config or Path(os.environ.get(CONFIG_VARIABLE) or "."),
        language=arguments.language,
        json=arguments.json,
    )
    return of_record.run(record)


def _what(arguments: argparse.Namespace, policy: CompiledPolicy) -> Asked | None:
    """What is asked; None if there are only facts."""
    if arguments.request is not None:
        data = policy_files.data_of(arguments.request, _LARGEST_REQUEST)
        if len(data) > _LARGEST_REQUEST:
            message = f"This request is larger than {_LARGEST_REQUEST >> 20} MiB, which no gateway takes."
            raise Misuse(str(arguments.request), message, "Is it the right file?")
        return asked(data, str(arguments.request))
    if arguments.text is not None:
        text = sys.stdin.read() if arguments.text == "-" else arguments.text
        return asked(chat(text, arguments.model or _usual_model(policy)), "--text")
    if arguments.facts is None:
        raise Misuse("explain", "There is nothing to explain.", "Give --text, --request, --facts or --decision.")
    return None


def _usual_model(policy: CompiledPolicy) -> str:
    return next(iter(policy.aliases), "any-model")


def _tenant(arguments: argparse.Namespace, loaded: Loaded) -> Tenant | None:
    if arguments.tenant is None:
        return None
    tenant = loaded.tenants.get(arguments.tenant)
    if tenant is None:
        known = ", ".join(sorted(loaded.tenants)) or "none: name the file with --tenants"
        raise Misuse("--tenant", "There is no such tenant.", f"Known: {known}.")
    return tenant


def _facts(arguments: argparse.Namespace, loaded: Loaded, what: Asked | None) -> RequestFacts:
    """The facts that are given, over those of the tenant and of the request. Its label is not known yet."""
    document = written.parse((arguments.facts or "{}").encode(errors="replace"), "--facts")
    reader = Reader(document.problems)
    given = _given(document.root, reader, what)

    def put(key: str, text: str) -> None:
        given[key] = Scalar(key, True, document.root.at), Scalar(text, False, document.root.at)

    tenant = _tenant(arguments, loaded)
    if arguments.model is not None or "model" not in given:
        put("model", arguments.model or (what.request.model if what is not None else _usual_model(loaded.policy)))
    if tenant is not None:
        if "tenant_class" in given:
            reader.report(
                given["tenant_class"][0].at, "`tenant_class` follows from --tenant.", "Leave one of them out."
            )
        put("tenant_class", tenant.tenant_class)
    if what is not None:
        put("label", loaded.policy.order.names[0])
    facts = None
    if not reader.problems:
        facts = given_facts.read(Group(tuple(given.values()), document.root.at), reader, loaded.policy)
    if facts is None or reader.problems:
        raise _MisusedFacts(reader)
    _check_class(facts.tenant_class, loaded, is_given="tenant_class" in given)
    if what is None:
        return facts
    request = what.request
    return replace(
        facts,
        capabilities=request.capabilities,
        modalities=request.modalities,
        context_tokens=request.context_tokens,
    )


def _given(root: Node, reader: Reader, what: Asked | None) -> dict[str, tuple[Scalar, Node]]:
    """The keys and values of `--facts`; what the request says itself is reported."""
    if not isinstance(root, Group):
        if not reader.problems:
            reader.report(Place("--facts"), "The facts must be a group of keys.", 'Write `{"label": "internal"}`.')
        return {}
    for key, _ in root.entries:
        if what is not None and key.text in _FROM_CONTENT:
            reader.report(key.at, f"`{key.text}` follows from what is asked.", "Leave it out.")
    return {key.text: (key, value) for key, value in root.entries}


def _check_class(tenant_class: str, loaded: Loaded, *, is_given: bool) -> None:
    """A class that does not exist would be told a story about nobody."""
    classes = loaded.policy.class_ceilings
    if not classes or tenant_class in (*classes, UNNAMED_CLASS):
        return
    if is_given:
        raise Misuse("--facts", f"There is no tenant class {shown(tenant_class)}.", did_you_mean(tenant_class, classes))
    known = ", ".join(sorted(loaded.tenants)) or "none"
    mend = f'Name one with --tenant (known: {known}), or write `"tenant_class"` into --facts.'
    raise Misuse("explain", "Nobody is said to ask, and there is no tenant class `default`.", mend)


class _MisusedFacts(Misuse):
    """Facts that say nothing; each with its place in what was given."""

    def __init__(self, reader: Reader) -> None:
        super(Misuse, self).__init__(reader.problems)
