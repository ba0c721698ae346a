"""keys.yaml: hashes of API keys and names in client certificates, each with its tenant. Never a key.

An entry may end by itself (`expires`), reach less than its tenant (`apis`, `models`, `addresses`) and say which `app`
it is for. `tidegate keys` writes the file through `render`; people may read and prune it.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.config.access_block import ACCESS_KEYS, access
from gateway.core.access import UNLIMITED, Access
from gateway.core.reading import API_VERSION, Reader, Word
from gateway.core.written import Node

_ID: Final = re.compile(r"key_[0-9a-f]{8,32}")
_HASH: Final = re.compile(r"hmac-sha256:[0-9a-f]{64}")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_CERTIFICATE: Final = re.compile(
    r"(?:dns|uri|email|cn):[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,254}[^\s\x00-\x1f\x7f])?"
)
_CLAIMS: Final = ("hash", "certificate")
_KEYS: Final = ("id", "tenant", *_CLAIMS, "created", "expires", "succeeds", "app", "note", *ACCESS_KEYS)
HOW_CERTIFICATES_ARE_NAMED: Final = "Write `uri:`, `dns:`, `email:` or `cn:` and the name as the certificate has it."


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One entry: either the `hash` of a key, or the name of a `certificate`; the other is empty.

    `created` and `expires` are UTC as `2026-11-21T10:00:00Z`, `expires` is empty for one that does not end; `note` is
    whatever its owner wrote, on one line. `succeeds` is the id of the first of the keys that it took the place of, one
    after the other: what was answered to them was answered to it.
    """

    id: str
    tenant: str
    hash: str
    created: str
    note: str = ""
    expires: str = ""
    app: str = ""
    certificate: str = ""
    access: Access = UNLIMITED
    succeeds: str = ""


def read(root: Node, reader: Reader, tenants: Collection[str] | None) -> tuple[KeyRecord, ...]:
    """The keys that could be read. Without `tenants` it is not checked that theirs exist."""
    top = reader.fields(root, "The keys file", ("apiVersion", "keys"), ("apiVersion", "keys"))
    reader.api_version(top)
    found: list[KeyRecord] = []
    taken: set[str] = set()
    for node in reader.items(top.get("keys"), "`keys`", least=0):
        record = _record(reader, node, tenants, taken)
        if record is not None:
            taken |= {record.id, record.hash, record.certificate}
            found.append(record)
    return tuple(found)


def _record(reader: Reader, node: Node, tenants: Collection[str] | None, taken: Collection[str]) -> KeyRecord | None:
    fields = reader.fields(node, "A key", _KEYS, ("id", "tenant", "created"))
    id, tenant = reader.text(fields.get("id"), "`id`"), reader.name(fields.get("tenant"), "`tenant`")
    hash, certificate = (reader.text(fields.get(claim), f"`{claim}`") for claim in _CLAIMS)
    created, expires = (reader.text(fields.get(name), f"`{name}`") for name in ("created", "expires"))
    app, note = reader.name(fields.get("app"), "`app`"), reader.text(fields.get("note"), "`note`")
    if id is not None and not _ID.fullmatch(id.text):
        reader.report(id.at, "This is not the id of a key.", "Write `key_` and 8 to 32 hex digits.")
    elif id is not None and id.text in taken:
        reader.report(id.at, "Another key has this id.", "Remove one of them.")
    succeeds = reader.text(fields.get("succeeds"), "`succeeds`")
    if succeeds is not None and not _ID.fullmatch(succeeds.text):
        reader.report(succeeds.at, "This is not the id of a key.", "Write `key_` and 8 to 32 hex digits.")
    _check_hash(reader, hash, taken)
    _check_certificate(reader, certificate, taken)
    if fields.nodes and len([claim for claim in _CLAIMS if claim in fields]) != 1:
        reader.report(fields.at, "A key has either a `hash` or a `certificate`.", "`tidegate keys create` writes one.")
    for time in (created, expires):
        if time is not None and seconds_of(time.text) is None:
            reader.report(time.at, "This is not a time.", 'Write `"2026-11-21T10:00:00Z"`.')
    if tenants is not None:
        reader.reference(tenant, "The tenant", tenants)
    limits = access(reader, fields, None)
    if id is None or tenant is None or created is None or (hash is None and certificate is None):
        return None
    return KeyRecord(
        id.text,
        tenant.text,
        _text(hash),
        created.text,
        note=_text(note),
        expires=_text(expires),
        app=_text(app),
        certificate=_text(certificate),
        access=limits,
        succeeds=_text(succeeds),
    )


def _check_hash(reader: Reader, hash: Word | None, taken: Collection[str]) -> None:
    if hash is not None and not _HASH.fullmatch(hash.text):
        mend = "Write `hmac-sha256:` and 64 hex digits; `tidegate keys create` does. Replace a key that stood here."
        reader.report(hash.at, "This is not the hash of a key.", mend)
    elif hash is not None and hash.text in taken:
        reader.report(hash.at, "Another entry has this hash.", "One key has one tenant: remove one of them.")


def _check_certificate(reader: Reader, certificate: Word | None, taken: Collection[str]) -> None:
    if certificate is not None and not is_certificate_name(certificate.text):
        reader.report(certificate.at, "This is not a name in a certificate.", HOW_CERTIFICATES_ARE_NAMED)
    elif certificate is not None and certificate.text in taken:
        reader.report(certificate.at, "Another entry has this name.", "One name has one tenant: remove one of them.")


def is_certificate_name(text: str) -> bool:
    """Whether `text` is the kind of a name in a certificate and the name itself: `uri:spiffe://bank/app`."""
    return _CERTIFICATE.fullmatch(text) is not None


def seconds_of(time: str) -> float | None:
    """`2026-11-21T10:00:00Z` in Unix seconds; None if that is no time."""
    if not _TIME.fullmatch(time):
        return None
    try:
        return datetime.fromisoformat(time).timestamp()
    except ValueError:
        return None


def time_of(seconds: float) -> str:
    """Unix seconds as the file writes times."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def render(keys: Iterable[KeyRecord]) -> str:
    """The file that holds `keys`."""
    lines = ["# Written by `tidegate keys`. Hashes only; a key itself is shown once, when it is created.\n"]
    lines += [f"apiVersion: {API_VERSION}\n", "keys:\n"]
    for key in keys:
        lines.append(f"  - {{{', '.join(f'{name}: {value}' for name, value in _written(key))}}}\n")
    if len(lines) == 3:
        lines[2] = "keys: []\n"
    return "".join(lines)


def _written(key: KeyRecord) -> Iterator[tuple[str, str]]:
    texts = (
        ("id", key.id),
        ("tenant", key.tenant),
        ("hash", key.hash),
        ("certificate", key.certificate),
        ("created", key.created),
        ("expires", key.expires),
        ("succeeds", key.succeeds),
        ("app", key.app),
    )
    yield from ((name, _quoted(text)) for name, text in texts if text)
    scope, networks = key.access.scope, key.access.networks
    for name, limit in (("apis", scope.apis), ("models", scope.models)):
        if limit is not None:
            yield name, _listed(sorted(limit))
    if networks is not None:
        yield "addresses", _listed(map(str, networks))
    if key.note:
        yield "note", _quoted(key.note)


def _listed(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"


def _quoted(text: str) -> str:
    # A JSON string is a YAML string, but for what our reader refuses to see as it is.
    plain = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in plain)


def _text(word: Word | None) -> str:
    return word.text if word is not None else ""
