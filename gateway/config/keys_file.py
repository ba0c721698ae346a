"""keys.yaml: hashes of API keys, each with the tenant that it belongs to. Never a key.

`tidegate keys` writes it through `render`; people may read and prune it.
"""

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from gateway.core.reading import API_VERSION, Reader
from gateway.core.written import Node

_ID: Final = re.compile(r"key_[0-9a-f]{8,32}")
_HASH: Final = re.compile(r"hmac-sha256:[0-9a-f]{64}")
_CREATED: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key. `created` is UTC as `2026-11-21T10:00:00Z`; `note` is whatever its owner wrote, on one line."""

    id: str
    tenant: str
    hash: str
    created: str
    note: str = ""


def read(root: Node, reader: Reader, tenants: Collection[str] | None) -> tuple[KeyRecord, ...]:
    """The keys that could be read. Without `tenants` it is not checked that theirs exist."""
    top = reader.fields(root, "The keys file", ("apiVersion", "keys"), ("apiVersion", "keys"))
    reader.api_version(top)
    found: list[KeyRecord] = []
    ids: set[str] = set()
    hashes: set[str] = set()
    for node in reader.items(top.get("keys"), "`keys`", least=0):
        fields = reader.fields(
            node, "A key", ("id", "tenant", "hash", "created", "note"), ("id", "tenant", "hash", "created")
        )
        id, hash = reader.text(fields.get("id"), "`id`"), reader.text(fields.get("hash"), "`hash`")
        tenant = reader.name(fields.get("tenant"), "`tenant`")
        created, note = reader.text(fields.get("created"), "`created`"), fields.get("note")
        if id is not None and not _ID.fullmatch(id.text):
            reader.report(id.at, "This is not the id of a key.", "Write `key_` and 8 to 32 hex digits.")
        elif id is not None and id.text in ids:
            reader.report(id.at, "Another key has this id.", "Remove one of them.")
        if hash is not None and not _HASH.fullmatch(hash.text):
            mend = "Write `hmac-sha256:` and 64 hex digits; `tidegate keys create` does. Replace a key that stood here."
            reader.report(hash.at, "This is not the hash of a key.", mend)
        elif hash is not None and hash.text in hashes:
            reader.report(hash.at, "Another entry has this hash.", "One key has one tenant: remove one of them.")
        if created is not None and not _CREATED.fullmatch(created.text):
            reader.report(created.at, "This is not a time.", 'Write `"2026-11-21T10:00:00Z"`.')
        if tenants is not None:
            reader.reference(tenant, "The tenant", tenants)
        remark = reader.text(note, "`note`")
        if id is None or hash is None or tenant is None or created is None:
            continue
        ids.add(id.text)
        hashes.add(hash.text)
        found.append(KeyRecord(id.text, tenant.text, hash.text, created.text, remark.text if remark else ""))
    return tuple(found)


def render(keys: Iterable[KeyRecord]) -> str:
    """The file that holds `keys`."""
    lines = ["# Written by `tidegate keys`. Hashes only; a key itself is shown once, when it is created.\n"]
    lines += [f"apiVersion: {API_VERSION}\n", "keys:\n"]
    for key in keys:
        note = f", note: {_quoted(key.note)}" if key.note else ""
        lines.append(
            f"  - {{id: {_quoted(key.id)}, tenant: {_quoted(key.tenant)}, hash: {_quoted(key.hash)}, "
            f"created: {_quoted(key.created)}{note}}}\n"
        )
    if len(lines) == 3:
        lines[2] = "keys: []\n"
    return "".join(lines)


def _quoted(text: str) -> str:
    # A JSON string is a YAML string, but for what our reader refuses to see as it is.
    plain = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in plain)
