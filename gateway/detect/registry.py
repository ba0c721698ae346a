"""A customer's recognizers: from recognizers.yaml to what the scanner runs, or every problem with its place.

What cannot be run safely is refused here, at start: an expression that can be kept busy, code that raises or hangs when
it is called, an entity that has no proper name. What goes wrong later is `foreign.py`'s.
"""

import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final

from gateway.config.recognizers_file import Declared, Predefined, RecognizersFile, is_entity
from gateway.core.reading import Reader, Word, shown
from gateway.core.written import Place
from gateway.detect import declared, presidio, stress
from gateway.detect.foreign import ForeignRecognizer, RecognizerHung, RecognizerNonsense, RecognizerRaised
from gateway.detect.prefilter import HAS_HYPERSCAN, Entry, build_prefilter
from gateway.detect.wider import wider
from gateway.ports import Recognizer

GROUP: Final = "tidegate.recognizers"
MOST_OF_ONE: Final = 100

Found = Callable[[str], Sequence[EntryPoint]]


@dataclass(frozen=True, slots=True)
class Registry:
    """What runs besides our own recognizers, the entities that it may report, and the version of the file."""

    recognizers: tuple[Recognizer, ...] = ()
    entities: tuple[str, ...] = ()
    version: int = 0


def installed(name: str) -> Sequence[EntryPoint]:
    """What installed packages offer under `name`."""
    return tuple(entry_points(group=GROUP, name=name))


def build(file: RecognizersFile, reader: Reader, found: Found = installed) -> Registry:
    """The recognizers that `file` names; what is wrong is reported."""
    made: list[Recognizer] = []
    for one in file.recognizers:
        match one:
            case Declared():
                _check_patterns(one, reader)
                made += declared.recognizers_of(one)
            case Predefined():
                made += _of_presidio(one, reader)
    for word in file.entry_points:
        made += _of_package(word, reader, found)
    # Also those of which nothing is left but a problem: that a policy names them is no second one.
    declared_entities = (one.entity for one in file.recognizers if isinstance(one, Declared))
    entities = (*declared_entities, *(entity for one in made for entity in sorted(one.entities)))
    return Registry(tuple(made), tuple(dict.fromkeys(entities)), file.version)


def _check_patterns(one: Declared, reader: Reader) -> None:
    for pattern in one.patterns:
        if not stress.is_quick(pattern.regex):
            message = (
                f"This expression can take more than {stress.LONGEST_S * 1000:.0f} ms on {stress.PIECE} characters."
            )
            mend = "Give every repeat an end, as in `{1,20}`, and begin with something that is rare."
            reader.report(pattern.at, message, mend)
        elif not _is_small(pattern.regex):
            reader.report(pattern.at, "This expression is too large for the prefilter.", "Make several patterns of it.")


def _is_small(regex: str) -> bool:
    if not HAS_HYPERSCAN:
        return True
    try:
        build_prefilter([Entry(0, wider(regex))], frozenset())
    except Exception:  # noqa: BLE001  # Hyperscan's, whatever it says: it quotes the expression
        return False
    return True


def _of_presidio(one: Predefined, reader: Reader) -> Iterator[Recognizer]:
    try:
        made = presidio.predefined(one)
    except presidio.Unusable as unusable:
        reader.report(one.at, unusable.message, unusable.mend)
        return
    except Exception as error:  # noqa: BLE001  # another package's constructor
        reader.report(one.at, f"This recognizer cannot be made ({type(error).__name__}).")
        return
    yield from _tried((made,), one.at, reader)


def _of_package(word: Word, reader: Reader, found: Found) -> Iterator[Recognizer]:
    offers = found(word.text)
    if len(offers) != 1:
        number = "No installed package offers" if not offers else "Several installed packages offer"
        message = f"{number} recognizers under the name {shown(word.text)}."
        reader.report(word.at, message, f"Its entry points must name it in the group `{GROUP}`.")
        return
    try:
        offered = offers[0].load()()
        made = list(offered) if isinstance(offered, Iterable) else None
        identity = _identity(offers[0])
    except Exception as error:  # noqa: BLE001  # a customer's code
        reader.report(word.at, f"The package's recognizers cannot be loaded ({type(error).__name__}).")
        return
    if made is None or not 1 <= len(made) <= MOST_OF_ONE:
        message = f"The package must offer a function that returns 1 to {MOST_OF_ONE} recognizers."
        reader.report(word.at, message)
        return
    try:
        wrapped = [_wrapped(one, identity) for one in made]
    except presidio.Unusable as unusable:
        reader.report(word.at, unusable.message, unusable.mend)
        return
    yield from _tried(wrapped, word.at, reader)


def _wrapped(one: object, identity: str) -> ForeignRecognizer:
    find, name, entities = (getattr(one, key, None) for key in ("find", "name", "entities"))
    if not callable(find):
        return presidio.wrapped(one, identity)
    is_named = isinstance(name, str) and 0 < len(name) <= 100 and name.isprintable()
    if not is_named or not isinstance(entities, set | frozenset | list | tuple):
        raise presidio.Unusable("A recognizer must have a `name` of one line and a set of `entities`.")
    # Checked above; a customer's object has no type that could be relied on.
    return ForeignRecognizer(one, name=str(name), entities=frozenset(map(str, entities)), identity=identity)  # type: ignore[arg-type]


def _tried(made: Iterable[ForeignRecognizer], at: Place, reader: Reader) -> Iterator[Recognizer]:
    for one in made:
        if not one.entities or not all(map(is_entity, one.entities)):
            message = "A recognizer's entities must have names of capitals, digits and `_`, at most 64 of them."
            reader.report(at, message, "Write names such as `ACME_BADGE`.")
            continue
        try:
            one.try_once()
        except (RecognizerRaised, RecognizerHung, RecognizerNonsense) as failure:
            reader.report(at, _FAILED[type(failure)], "Call it by hand with an empty text and with a short one.")
            continue
        yield one


_FAILED: Final = {
    RecognizerRaised: "A recognizer raises an exception when it is called.",
    RecognizerHung: "A recognizer does not answer when it is called.",
    RecognizerNonsense: "A recognizer returns what is no list of findings in the text it was given.",
}


def _identity(offer: EntryPoint) -> str:
    """What the digest knows a package's code by: its version, and the file that its function stands in."""
    package = offer.dist
    source = inspect.getsourcefile(offer.load())
    code = hashlib.sha256(Path(source).read_bytes()).hexdigest() if source is not None else ""
    return f"{offer.group} {offer.value} {package.name if package else ''} {package.version if package else ''} {code}"
