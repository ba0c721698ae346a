"""Golden cases as people write them: what is asked, and what they expect of the policy.

```yaml
apiVersion: tidegate/v1
facts: {model: chat-auto}                 # usual for every case of this file; a case's own `facts` win
cases:
  - name: an ID number stays home
    text: 我的身份证号是……                  # a chat with this one message, scanned as a live one would be
    expect: {label: restricted, action: allow, route: keep-home, to: [home], spill: []}
  - name: a picture is not readable
    request: {model: chat-auto, messages: [{role: user, content: [{type: image_url, image_url: {url: "data:"}}]}]}
    expect: {label: restricted}
  - name: a weak telephone number may leave
    findings: [PERSON, {entity: CN_MOBILE, score: 0.4, count: 3}, {marker: 内部}]   # evidence, with nothing scanned
    expect: {label: internal, spill: [burst]}
  - name: hospitals stay home
    facts: {label: internal, tenant_class: hospital}      # facts alone: the label is given, no rule is asked
    expect: {action: allow, to: [home], spill: []}
```

A case gives `text`, `request`, evidence (`findings`, `unscanned`, `failure`, `tiers`), or a label in its `facts`.
`history` and `taint` go with the first three. Whatever `expect` names must be so; what it leaves out may be anything.
`to` and `spill` are whole lists in order. Every problem is reported at once; names are checked against the policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.core import written
from gateway.core.decision import AuditLevel, DenyCode
from gateway.core.facts import RequestFacts
from gateway.core.findings import MARKER_PREFIX, Coverage, Evidence, Finding, History, Tier, Unscanned
from gateway.core.labels import Label
from gateway.core.problems import did_you_mean
from gateway.core.reading import Fields, Reader, Word, shown
from gateway.core.written import Group, Node, Place, Scalar, canonical
from gateway.policy import given_facts
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.document import CARRIERS, NONE

EVIDENCE_KEYS: Final = ("findings", "unscanned", "failure", "tiers")
ACTIONS: Final = ("allow", "deny")
KEYS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "file": ("apiVersion", "facts", "cases"),
        "case": ("name", "text", "request", *EVIDENCE_KEYS, "history", "taint", "facts", "expect"),
        "finding": ("entity", "marker", "score", "count"),
        "expect": (
            "label",
            "label_low",
            "action",
            "route",
            "to",
            "spill",
            "canary",
            "mirror",
            "code",
            "cache",
            "audit",
        ),
    }
)
"""The keys of each group. `cases_schema.py` is made from the same table."""
REQUIRED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"file": ("apiVersion", "cases"), "case": ("name", "expect"), "finding": (), "expect": ()}
)
FACTS_OF_EVIDENCE: Final = ("label", "label_low")
FACTS_OF_CONTENT: Final = (*FACTS_OF_EVIDENCE, "capabilities", "modalities", "context")
_ONLY_ALLOWED: Final = ("to", "spill", "canary", "mirror", "cache", "audit")
_PATH: Final = "messages[0].content"
_MOST_FINDINGS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Expected:
    """What a case expects; None asks nothing. `canary` and `mirror` are pools' names, or empty for none."""

    label: Label | None = None
    label_low: Label | None = None
    action: str | None = None
    route: str | None = None
    to: tuple[str, ...] | None = None
    spill: tuple[str, ...] | None = None
    canary: str | None = None
    mirror: str | None = None
    code: DenyCode | None = None
    cache_s: float | None = None
    audit: AuditLevel | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `asked` is a chat request as JSON bytes, evidence, or None when `facts` hold the label.

    Where it is not None, the labels in `facts` say nothing yet. `history` and `taint` replace those of a request's
    evidence, since a scanner does not know them.
    """

    name: str
    at: Place
    asked: bytes | Evidence | None
    facts: RequestFacts
    expected: Expected
    history: History | None = None
    taint: Label | None = None


def read(data: bytes, file: str, compiled: CompiledPolicy) -> tuple[Case, ...]:
    """The cases in a file's bytes, for this policy; raises Problems."""
    document = written.parse(data, file)
    reader = Reader(document.problems)
    cases = _CasesReader(reader, compiled).cases(document.root)
    # The file's own facts are read once per case.
    reader.problems = list(dict.fromkeys(reader.problems))
    reader.finish()
    return cases


class _CasesReader:
    def __init__(self, reader: Reader, compiled: CompiledPolicy) -> None:
        self._reader = reader
        self._compiled = compiled
        self._routes = {route.id for route in compiled.routes}
        self._pools = {pool.name for route in compiled.routes for pool in route.pools}

    def cases(self, root: Node) -> tuple[Case, ...]:
        reader = self._reader
        top = self._fields(root, "The cases file", "file")
        reader.api_version(top)
        usual = top.get("facts")
        found: list[Case] = []
        lines: dict[str, int] = {}
        for node in reader.items(top.get("cases"), "`cases`"):
            fields = self._fields(node, "A case", "case")
            name = reader.text(fields.get("name"), "The name of a case")
            if name is not None and name.text in lines:
                message = f"A case of the same name stands on line {lines[name.text]}."
                reader.report(name.at, message, "Give each its own, so that a failure names one of them.")
            elif name is not None:
                lines[name.text] = name.at.line
            case = self._case(fields, name, usual)
            if case is not None:
                found.append(case)
        return tuple(found)

    def _fields(self, node: Node | None, what: str, group: str) -> Fields:
        return self._reader.fields(node, what, KEYS[group], REQUIRED[group])

    def _case(self, fields: Fields, name: Word | None, usual: Node | None) -> Case | None:
        reader = self._reader
        expected = self._expected(fields.get("expect"))
        history = reader.one_of(fields.get("history"), "`history`", tuple(History))
        taint = self._label(fields.get("taint"), "`taint`")
        text, request = fields.get("text"), fields.get("request")
        has_evidence = any(key in fields for key in EVIDENCE_KEYS)
        if (text is not None) + (request is not None) + has_evidence > 1:
            message = "A case says in one way what was asked."
            reader.report(fields.at, message, "Keep `text`, `request`, or `findings` and its like.")
            return None
        asked: bytes | Evidence | None = None
        given = _entries(fields.get("facts"))
        taken: tuple[str, ...] = ()
        if has_evidence:
            evidence = self._evidence(fields)
            asked, taken = evidence, FACTS_OF_EVIDENCE
        elif text is not None or request is not None:
            taken = FACTS_OF_CONTENT
        elif history is not None or taint is not None:
            message = "`history` and `taint` give a label by what was asked, and nothing was."
            reader.report(fields.at, message, "Add `findings: []`, or write the label into `facts`.")
        for key, _ in given:
            if key.text in taken:
                message = f"`{key.text}` follows from what this case asks."
                reader.report(key.at, message, "Remove it here; `expect` may name it.")
        facts = self._facts(fields, usual, request, has_label=not taken)
        if text is not None and facts is not None:
            asked = self._message(text, facts.model)
        elif request is not None:
            asked = self._request(request)
        if name is None or facts is None:
            return None
        kept = History(history) if history is not None else None
        return Case(name.text, fields.at, asked, facts, expected, kept, taint)

    # What is asked

    def _facts(
        self, fields: Fields, usual: Node | None, request: Node | None, *, has_label: bool
    ) -> RequestFacts | None:
        """The case's facts over the model of its request over those of the file."""
        node = fields.get("facts")
        for unusable in (node, usual):
            if unusable is not None and not isinstance(unusable, Group):
                return given_facts.read(unusable, self._reader, self._compiled)
        at = node.at if node is not None else fields.at
        own = {key.text: (key, value) for key, value in _entries(node)}
        model = next(((key, value) for key, value in _entries(request) if key.text == "model"), None)
        if model is not None and "model" in own:
            message = "The request names its model, and `facts` names one again."
            self._reader.report(own["model"][0].at, message, "Keep the one in the request.")
        merged = {key.text: (key, value) for key, value in _entries(usual)}
        merged |= {"model": model} if model is not None else {}
        merged |= own
        if not has_label:
            # What it is will be found; the reader of facts only needs one that exists.
            label = Scalar("label", True, at), Scalar(self._compiled.order.names[0], False, at)
            merged = {key: entry for key, entry in merged.items() if key not in FACTS_OF_EVIDENCE} | {"label": label}
        return given_facts.read(Group(tuple(merged.values()), at), self._reader, self._compiled)

    def _message(self, node: Node, model: str) -> bytes | None:
        text = self._reader.text(node, "`text`")
        if text is None:
            return None
        at = text.at
        content = ((Scalar("role", True, at), Scalar("user", False, at)), (Scalar("content", True, at), node))
        messages = written.Listing((Group(content, at),), at)
        named = Scalar("model", True, at), Scalar(model, False, at)
        return canonical(Group((named, (Scalar("messages", True, at), messages)), at)).encode()

    def _request(self, node: Node) -> bytes | None:
        if isinstance(node, Group):
            return canonical(node).encode()
        self._reader.report(node.at, "`request` must be a chat request.", "Write `{model: …, messages: […]}`.")
        return None

    def _evidence(self, fields: Fields) -> Evidence:
        reader = self._reader
        findings = [
            finding
            for node in reader.items(fields.get("findings"), "`findings`", least=0)
            for finding in self._finding(node)
        ]
        unscanned = tuple(
            Unscanned(word.text, _PATH)
            for word in reader.names(fields.get("unscanned"), "`unscanned`", least=0)
            if reader.reference(word, "The carrier", CARRIERS) is not None
        )
        tiers = frozenset(
            Tier(word.text)
            for word in reader.names(fields.get("tiers"), "`tiers`", least=0)
            if reader.reference(word, "The tier", tuple(Tier)) is not None
        )
        failure = reader.name(fields.get("failure"), "`failure`")
        ran = tiers if "tiers" in fields else frozenset(Tier)
        coverage = Coverage(ran, unscanned, failure=failure.text if failure is not None else None)
        return Evidence(tuple(findings), coverage)

    def _finding(self, node: Node) -> tuple[Finding, ...]:
        """`ENTITY`, or a group with its score and number, or one of the policy's markers."""
        reader = self._reader
        if isinstance(node, Scalar):
            return self._findings(self._entity(node), 1.0, 1)
        fields = self._fields(node, "A finding", "finding")
        score = reader.number(fields.get("score"), "`score`", least=0.0, most=1.0)
        count = reader.integer(fields.get("count"), "`count`", least=1, most=_MOST_FINDINGS)
        if ("entity" in fields) == ("marker" in fields) and fields.nodes:
            reader.report(fields.at, "A finding is an entity or a marker.", "Write `entity: CN_MOBILE`.")
            return ()
        marker = reader.text(fields.get("marker"), "`marker`")
        name = self._marker(marker) if marker is not None else self._entity(fields.get("entity"))
        return self._findings(name, score if score is not None else 1.0, count or 1)

    def _entity(self, node: Node | None) -> str | None:
        return self._reader.reference(self._reader.name(node, "An entity"), "The entity", self._compiled.entities)

    def _marker(self, word: Word) -> str | None:
        known = {marker.casefold() for marker in self._compiled.markers}
        if word.text.casefold() in known:
            return MARKER_PREFIX + word.text.casefold()
        self._reader.report(word.at, "No rule of the policy names this marker, so nobody looks for it.", "Add a rule.")
        return None

    def _findings(self, entity: str | None, score: float, count: int) -> tuple[Finding, ...]:
        return (Finding(entity, score, _PATH, 0, 0, "case"),) * count if entity is not None else ()

    # What is expected

    def _expected(self, node: Node | None) -> Expected:
        reader = self._reader
        fields = self._fields(node, "`expect`", "expect")
        if isinstance(node, Group) and not node.entries:
            reader.report(node.at, "`expect` must not be empty.", "Write `expect: {action: allow, to: [home]}`.")
        action = reader.one_of(fields.get("action"), "`action`", ACTIONS)
        code = reader.one_of(fields.get("code"), "`code`", tuple(DenyCode))
        is_refusal = action == "deny" or code is not None
        for key in _ONLY_ALLOWED if is_refusal else ():
            if key in fields:
                message = f"A refusal has no `{key}`."
                reader.report(fields.at, message, f"Remove `{key}`, or expect `action: allow`.")
        if action == "allow" and code is not None:
            reader.report(fields.at, "`code` is that of a refusal.", "Remove it, or expect `action: deny`.")
        audit = reader.one_of(fields.get("audit"), "`audit`", tuple(AuditLevel))
        return Expected(
            label=self._label(fields.get("label"), "`label`"),
            label_low=self._label(fields.get("label_low"), "`label_low`"),
            action=action,
            route=reader.reference(reader.name(fields.get("route"), "`route`"), "The route", self._routes),
            to=self._listed(fields, "to"),
            spill=self._listed(fields, "spill"),
            canary=self._share(fields, "canary"),
            mirror=self._share(fields, "mirror"),
            code=DenyCode(code) if code is not None else None,
            cache_s=self._cache(fields.get("cache")),
            audit=AuditLevel(audit) if audit is not None else None,
        )

    def _label(self, node: Node | None, what: str) -> Label | None:
        order = self._compiled.order
        name = self._reader.reference(self._reader.name(node, what), "The label", order.names)
        return order.rank(name) if name is not None else None

    def _listed(self, fields: Fields, key: str) -> tuple[str, ...] | None:
        if key not in fields:
            return None
        words = self._reader.names(fields.get(key), f"`{key}`", least=0)
        return tuple(word.text for word in words if self._is_pool(word))

    def _share(self, fields: Fields, key: str) -> str | None:
        word = self._reader.name(fields.get(key), f"`{key}`")
        if word is None or word.text == NONE:
            return "" if word is not None else None
        return word.text if self._is_pool(word) else None

    def _is_pool(self, word: Word) -> bool:
        if word.text in self._pools:
            return True
        message = f"No route of the policy names the pool {shown(word.text)}."
        self._reader.report(word.at, message, did_you_mean(word.text, self._pools))
        return False

    def _cache(self, node: Node | None) -> float | None:
        if isinstance(node, Scalar) and node.text == "never":
            return 0.0
        return self._reader.duration(node, "`cache`", least=0.0, most=86_400.0) if node is not None else None


def _entries(node: Node | None) -> tuple[tuple[Scalar, Node], ...]:
    return node.entries if isinstance(node, Group) else ()
