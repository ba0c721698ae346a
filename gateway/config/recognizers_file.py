"""recognizers.yaml: what a customer wants found besides what the gateway finds, in Presidio's registry format.

```yaml
recognizers:
  - name: badge numbers
    supported_entity: ACME_BADGE
    patterns: [{name: badge, regex: "AC-[0-9]{6}", score: 0.5}]
    context: [badge, 工牌]
  - name: code names
    supported_entity: ACME_PROJECT
    deny_list: [Bluebird, 蓝鸟计划]
  - {name: UkPostcodeRecognizer, type: predefined}       # one of Presidio's own
entry_points: [acme]                                      # code of an installed package
```

Languages are read and not looked at: every recognizer sees every text.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.config.regexes import FLAGS, fault_of
from gateway.core.findings import MARKER_PREFIX
from gateway.core.reading import Fields, Reader, Word
from gateway.core.written import Group, Node, Place, Scalar

MOST_RECOGNIZERS: Final = 200
MOST_VERSION: Final = 10**9
MOST_WORDS: Final = 2_000
LONGEST_WORD: Final = 200
CUSTOM: Final = "custom"
PREDEFINED: Final = "predefined"
_KEYS: Final = (
    "name", "type", "enabled", "supported_language", "supported_languages", "supported_entity", "patterns", "context",
    "deny_list", "deny_list_score", "min_score",
)  # fmt: skip
_OF_CUSTOM: Final = ("supported_entity", "patterns", "deny_list", "deny_list_score")
_USUAL_MIN_SCORE: Final = 0.4  # below it, nearly half of all harmless texts hold something (docs/recognizers.md)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One regular expression, and how sure a match makes."""

    regex: str
    score: float
    at: Place


@dataclass(frozen=True, slots=True)
class Declared:
    """A recognizer of patterns and words. With `context`, a word of it nearby makes a match surer."""

    name: str
    entity: str
    patterns: tuple[Pattern, ...]
    context: tuple[str, ...]
    words: tuple[str, ...]
    words_score: float
    at: Place


@dataclass(frozen=True, slots=True)
class Predefined:
    """One of Presidio's own recognizers, by its class. What it is less sure of than `min_score` is left out."""

    name: str
    context: tuple[str, ...]
    min_score: float
    at: Place


@dataclass(frozen=True, slots=True)
class RecognizersFile:
    """The whole file, in its order. `entry_points` are the names under which packages offer recognizers. `version` is
    its author's, 0 if there is none; records of the audit log name it."""

    recognizers: tuple[Declared | Predefined, ...] = ()
    entry_points: tuple[Word, ...] = ()
    version: int = 0


def read(root: Node, reader: Reader) -> RecognizersFile:
    """The values of recognizers.yaml."""
    known = ("apiVersion", "version", "recognizers", "entry_points", "supported_languages", "global_regex_flags")
    top = reader.fields(root, "The recognizers file", known)
    reader.api_version(top)
    flags = top.get("global_regex_flags")
    if isinstance(flags, Scalar) and flags.value != int(FLAGS):
        message = "`global_regex_flags` can only be 26: ignore case, `.` matches everything, `^` and `$` at every line."
        reader.report(flags.at, message, "Write `(?-i:…)` into a pattern that is to tell cases apart.")
    found: list[Declared | Predefined] = []
    nodes = reader.items(top.get("recognizers"), "`recognizers`", least=0)
    for node in nodes:
        one = _recognizer(node, reader)
        if one is not None:
            found.append(one)
    if len(nodes) > MOST_RECOGNIZERS:
        reader.report(root.at, f"There are more than {MOST_RECOGNIZERS} recognizers.", "Join patterns of one entity.")
    _each_name_once(found, reader)
    entry_points = reader.names(top.get("entry_points"), "`entry_points`", least=0)
    version = top.get("version")
    number = reader.integer(version, "`version`", least=1, most=MOST_VERSION) if version is not None else None
    return RecognizersFile(tuple(found), entry_points, number or 0)


def is_entity(name: str) -> bool:
    """Whether `name` can be that of an entity: capitals, digits and `_`, at most 64."""
    parts = name.split("_")
    is_plain = name.isascii() and len(name) <= 64 and name.upper() == name and all(part.isalnum() for part in parts)
    return is_plain and name[0].isalpha() and name != MARKER_PREFIX.rstrip(":")


def _recognizer(node: Node, reader: Reader) -> Declared | Predefined | None:
    fields = reader.fields(node, "A recognizer", _KEYS, ("name",))
    name = _name(fields.get("name"), reader)
    kind = reader.one_of(fields.get("type"), "`type`", (CUSTOM, PREDEFINED)) or CUSTOM
    is_enabled = reader.flag(fields.get("enabled"), "`enabled`")
    context = _words(fields.get("context"), "`context`", reader)
    if kind == PREDEFINED:
        for key in _OF_CUSTOM:
            if key in fields:
                reader.report(fields.at, f"A predefined recognizer has no `{key}`.", "Remove it.")
        least = reader.number(fields.get("min_score"), "`min_score`", least=0.0, most=1.0)
        if name is None or is_enabled is False:
            return None
        return Predefined(name.text, context, least if least is not None else _USUAL_MIN_SCORE, name.at)
    if "min_score" in fields:
        reader.report(fields.at, "Only a predefined recognizer has a `min_score`.", "Write it into the policy's rule.")
    entity = _entity(fields, reader)
    patterns = _patterns(fields.get("patterns"), reader)
    words = _words(fields.get("deny_list"), "`deny_list`", reader)
    score = _score(fields.get("deny_list_score"), "`deny_list_score`", reader)
    if isinstance(node, Group) and "patterns" not in fields and "deny_list" not in fields:
        reader.report(fields.at, "A recognizer needs `patterns` or a `deny_list`.", "Add one.")
    if name is None or entity is None or is_enabled is False:
        return None
    return Declared(name.text, entity, patterns, context, words, score if score is not None else 1.0, name.at)


def _name(node: Node | None, reader: Reader) -> Word | None:
    """It stands in findings and in the audit log, as written."""
    word = reader.text(node, "`name`")
    if word is not None and (len(word.text) > 100 or not word.text.isprintable()):
        reader.report(word.at, "`name` must be at most 100 characters of one line.", "Shorten it.")
        return None
    return word


def _entity(fields: Fields, reader: Reader) -> str | None:
    node = fields.get("supported_entity")
    if node is None and fields.nodes:
        reader.report(fields.at, "A recognizer lacks the key `supported_entity`.", "Add it.")
    word = reader.text(node, "`supported_entity`")
    if word is None or is_entity(word.text):
        return word.text if word is not None else None
    message = "An entity's name must be capitals, digits and `_`, at most 64 of them."
    reader.report(word.at, message, "Write a name such as `ACME_BADGE`.")
    return None


def _patterns(node: Node | None, reader: Reader) -> tuple[Pattern, ...]:
    patterns = []
    for item in reader.items(node, "`patterns`"):
        fields = reader.fields(item, "A pattern", ("name", "regex", "score"), ("regex", "score"))
        reader.text(fields.get("name"), "`name`")
        regex = reader.text(fields.get("regex"), "`regex`")
        score = _score(fields.get("score"), "`score`", reader)
        fault = fault_of(regex.text) if regex is not None else None
        if regex is not None and fault is not None:
            reader.report(regex.at, fault.message, fault.mend)
        elif regex is not None and score is not None:
            patterns.append(Pattern(regex.text, score, regex.at))
    return tuple(patterns)


def _score(node: Node | None, what: str, reader: Reader) -> float | None:
    score = reader.number(node, what, least=0.0, most=1.0)
    if score == 0.0 and node is not None:
        reader.report(node.at, f"{what} of 0 finds nothing.", "Write more than 0, up to 1.")
        return None
    return score


def _words(node: Node | None, what: str, reader: Reader) -> tuple[str, ...]:
    items = reader.items(node, what)
    words = reader.each_once([reader.text(item, f"Each of {what}") for item in items], what)
    if len(items) > MOST_WORDS and node is not None:
        reader.report(node.at, f"{what} has more than {MOST_WORDS} entries.", "Make several recognizers of it.")
    for word in words:
        if len(word.text) > LONGEST_WORD:
            reader.report(word.at, f"Each of {what} must be at most {LONGEST_WORD} characters.", "Shorten it.")
    return tuple(word.text.strip() for word in words)


def _each_name_once(found: Iterable[Declared | Predefined], reader: Reader) -> None:
    seen: set[str] = set()
    for one in found:
        if one.name in seen:
            reader.report(one.at, "A recognizer of this name stands further up.", "Rename one of them.")
        seen.add(one.name)
