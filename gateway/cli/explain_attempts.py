"""What `tidegate explain` says of attempts: each try at an endpoint, and what they prove about where text went.

Of a request and of its copies for a mirror the same is said, in the same order. A cloud server that gave a status has
the text; one that gave none, or an intent that no attempt followed, proves nothing either way and is told as such.
"""

from collections.abc import Iterator, Sequence

from gateway.cli.explain_words import SENTENCES, say
from gateway.core.records import Attempt, Ending, Intent
from gateway.policy.words import Language


def told(attempts: Sequence[Attempt], language: Language, *, of: str = "") -> Iterator[str]:
    """Each try on a line. `of` is the beginning of the keys of what ends otherwise than a request does."""
    for number, attempt in enumerate(attempts, 1):
        yield say(
            "attempt" if attempt.status is None else "attempt_status",
            language,
            number=number,
            pool=attempt.pool,
            zone=attempt.zone,
            endpoint=attempt.endpoint,
            ending=ended(attempt.ending, language, of=of),
            status=attempt.status,
            ms=f"{attempt.ms:.0f}",
        )
        if attempt.detail.startswith("cold start"):
            yield say("attempt_cold", language)


def ended(ending: Ending, language: Language, *, of: str = "") -> str:
    """How something ended, in a few words."""
    key = f"{of}ending_{ending}"
    return say(key if key in SENTENCES else f"ending_{ending}", language)


def answered(attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """The pools in the cloud that have the text for certain."""
    return tuple(sorted({one.pool for one in attempts if one.zone != "onprem" and one.status is not None}))


def unsure(attempts: Sequence[Attempt], intents: Sequence[Intent]) -> tuple[Intent, ...]:
    """The intents of which nobody can say whether bytes left."""
    has = answered(attempts)
    return tuple(intent for intent in intents if intent.pool not in has)


def may_have_been_sent(intent: Intent, language: Language) -> str:
    """What an intent says where nothing says more."""
    return say(
        "may_have_been_sent",
        language,
        pool=intent.pool,
        zone=intent.zone,
        label=intent.label,
        route=intent.route,
    )
