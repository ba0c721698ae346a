"""`tidegate keys create|rotate|list|revoke`: credentials, of which only keyed hashes are ever written down.

A new key is printed once, alone on stdout, so that a script can take it; everything for people goes to stderr.
"""

import argparse
import base64
import math
import os
import re
import secrets
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from gateway.cli.main import Subparsers
from gateway.config.access_block import ANY_MODEL
from gateway.config.keys_file import (
    HOW_CERTIFICATES_ARE_NAMED,
    KeyRecord,
    is_certificate_name,
    seconds_of,
    time_of,
)
from gateway.core.access import APIS, UNLIMITED, Access, Networks, Scope
from gateway.core.problems import Problem, Problems, did_you_mean
from gateway.core.reading import NAME_PATTERN
from gateway.runtime.authn import GUESSABLE_BELOW, LONGEST_KEY, SHORTEST_KEY, hash_of, is_well_formed
from gateway.runtime.key_file import locked, replace_keys
from gateway.runtime.key_use import last_used
from gateway.settings import CONFIG_VARIABLE, Settings, load, load_keys, load_state_dir

KEY_PREFIX: Final = "sk-tg-"
USUAL_OVERLAP_S: Final = 86_400.0
_KEY_BYTES: Final = 32  # 43 characters of URL-safe base64
_SPAN: Final = re.compile(r"([0-9]{1,6})(m|h|d)")
_SPAN_UNITS: Final = {"m": 60.0, "h": 3600.0, "d": 86_400.0}
_SOON: Final = "A running gateway knows it within a second."


@dataclass(frozen=True, slots=True)
class Wish:
    """What a new entry is to be like. `given` is a key that somebody brings, `expires` is as the file writes times."""

    note: str = ""
    expires: str = ""
    app: str = ""
    certificate: str = ""
    access: Access = UNLIMITED
    given: str | None = None


def add_commands(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `tidegate keys`."""
    parser = subparsers.add_parser("keys", help="create, rotate, list and revoke API keys")
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    create = actions.add_parser("create", help="create a key for a tenant and print it once")
    create.add_argument("--tenant", required=True, help="whom the key belongs to: a tenant of tenants.yaml")
    create.add_argument("--note", default="", help="what the key is for, in your words")
    create.add_argument("--app", default="", metavar="NAME", help="which of the tenant's applications it is for")
    _add_expires(create)
    create.add_argument("--apis", default="", metavar="A,B", help=f"only these interfaces: {', '.join(APIS)}")
    create.add_argument("--models", default="", metavar="A,B", help="only these models of the policy")
    create.add_argument("--from", dest="addresses", default="", metavar="NET,NET", help="only from these networks")
    instead = create.add_mutually_exclusive_group()
    instead.add_argument(
        "--from-stdin", action="store_true", help="take the key from the first line of stdin instead of making one"
    )
    instead.add_argument(
        "--certificate", default="", metavar="NAME", help="no key: whoever shows a certificate with this name"
    )
    _add_config(create)
    create.set_defaults(run=run_create)

    rotate = actions.add_parser("rotate", help="make a key's successor; the key itself ends a while later")
    rotate.add_argument("id", help="the key's id, as `tidegate keys list` shows it")
    rotate.add_argument(
        "--overlap", default="24h", metavar="TIME", help="how long both are good: 30m, 24h, 7d; 0h ends the old one now"
    )
    _add_expires(rotate)
    _add_config(rotate)
    rotate.set_defaults(run=run_rotate)

    listing = actions.add_parser("list", help="list the keys, when they end and when they were last used")
    _add_config(listing)
    listing.set_defaults(run=run_list)

    revoke = actions.add_parser("revoke", help="remove a key")
    revoke.add_argument("id", help="the key's id, as `tidegate keys list` shows it")
    _add_config(revoke)
    revoke.set_defaults(run=run_revoke)


def _add_expires(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--expires", default="", metavar="WHEN", help="when it ends by itself: 90d, 12h, or 2026-12-31T00:00:00Z"
    )


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        default=Path(os.environ.get(CONFIG_VARIABLE) or "."),
        metavar="DIR",
        help=f"the folder with gateway.yaml; ${CONFIG_VARIABLE} or the current one if not given",
    )


def run_create(arguments: argparse.Namespace) -> int:
    """`tidegate keys create`."""
    wish = Wish(
        note=arguments.note,
        expires=_end(arguments.expires, time.time()),
        app=_name(arguments.app, "--app"),
        certificate=_certificate(arguments.certificate),
        access=Access(
            Scope(_listed(arguments.apis, "--apis", APIS), _listed(arguments.models, "--models", None)),
            _networks(arguments.addresses),
        ),
        given=_from_stdin() if arguments.from_stdin else None,
    )
    record, key = add_key(arguments.config, arguments.tenant, wish)
    if wish.certificate:
        print(f"{record.id} for {record.tenant}, by certificate.", file=sys.stderr)
    elif wish.given is None:
        _show(record, key)
    else:
        print(f"{record.id} for {record.tenant}, with the key that was given.", file=sys.stderr)
        if len(wish.given) < GUESSABLE_BELOW:
            print("This key is short enough to be guessed: use it for tests only.", file=sys.stderr)
    print(_SOON, file=sys.stderr)
    return 0


def run_rotate(arguments: argparse.Namespace) -> int:
    """`tidegate keys rotate`."""
    now = time.time()
    overlap_s = _seconds(arguments.overlap, "--overlap")
    expires = _end(arguments.expires, now)
    path, _ = load_keys(arguments.config, os.environ)
    with locked(path):
        settings = load(arguments.config, os.environ)
        path, records = load_keys(arguments.config, os.environ)
        old = _with_id(path, records, arguments.id)
        if old.certificate:
            message = "This entry names a certificate, of which whoever issues it makes the successor."
            raise Problems([Problem(str(path), 0, 0, message)])
        key = new_key()
        wish = Wish(old.note, expires or _as_long(old, now), old.app, access=old.access)
        record = _record(path, key, old.tenant, wish, settings, records)
        record = replace(record, succeeds=old.succeeds or old.id)
        ends = min(now + overlap_s, _ends_at(old))
        retiring = replace(old, expires=time_of(ends))
        replace_keys(path, [*(retiring if one.id == old.id else one for one in records), record])
    _show(record, key)
    print(f"{old.id} ends at {retiring.expires}. {_SOON}", file=sys.stderr)
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    """`tidegate keys list`."""
    _, records = load_keys(arguments.config, os.environ)
    if not records:
        print("There are no keys. `tidegate keys create --tenant NAME` makes one.", file=sys.stderr)
        return 0
    used, now = last_used(load_state_dir(arguments.config, os.environ)), time.time()
    rows = [("ID", "TENANT", "CREATED", "ENDS", "LAST USED", "WHAT FOR")]
    for record in records:
        at = used.get(record.id)
        ends = "ended" if _ends_at(record) <= now else record.expires or "-"
        what = " ".join(part for part in (record.app, _limits(record), record.note) if part)
        rows.append((record.id, record.tenant, record.created, ends, time_of(at) if at is not None else "-", what))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]).rstrip())
    return 0


def run_revoke(arguments: argparse.Namespace) -> int:
    """`tidegate keys revoke`."""
    path, _ = load_keys(arguments.config, os.environ)
    with locked(path):
        path, records = load_keys(arguments.config, os.environ)
        revoked = _with_id(path, records, arguments.id)
        replace_keys(path, [record for record in records if record is not revoked])
    print(f"{arguments.id} is revoked. A running gateway refuses it within a second.", file=sys.stderr)
    return 0


def create_key(
    directory: Path,
    tenant: str,
    *,
    note: str = "",
    given: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> tuple[KeyRecord, str]:
    """Add a key for `tenant` to the configuration in `directory`; the key is the one `given`, or a new one."""
    return add_key(directory, tenant, Wish(note, given=given), environ)


def add_key(directory: Path, tenant: str, wish: Wish, environ: Mapping[str, str] = os.environ) -> tuple[KeyRecord, str]:
    """Add an entry as `wish` wants it; the key is empty where a certificate stands for it."""
    path, _ = load_keys(directory, environ)
    with locked(path):
        settings = load(directory, environ)
        _check(directory, tenant, "tenant", settings.bundle.tenants)
        aliases = settings.bundle.policy.aliases
        for model in sorted(wish.access.scope.models or ()) if ANY_MODEL not in aliases else ():
            _check(directory, model, "model", aliases)
        path, records = load_keys(directory, environ)
        key = "" if wish.certificate else wish.given if wish.given is not None else new_key()
        record = _record(path, key, tenant, wish, settings, records)
        replace_keys(path, [*records, record])
    return record, key


def new_key() -> str:
    """A key that nobody has: `sk-tg-` and 43 random characters."""
    return KEY_PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode().rstrip("=")


def _record(
    path: Path, key: str, tenant: str, wish: Wish, settings: Settings, records: tuple[KeyRecord, ...]
) -> KeyRecord:
    hashed = hash_of(key, settings.keyring()) if key else ""
    for record in records:
        if (hashed and record.hash == hashed) or (wish.certificate and record.certificate == wish.certificate):
            message = "This key is there already." if hashed else "This certificate is there already."
            raise Problems([Problem(str(path), 0, 0, message, f"Its id is {record.id}.")])
    taken = {record.id for record in records}
    return KeyRecord(
        next(id for id in iter(lambda: f"key_{secrets.token_hex(4)}", "") if id not in taken),
        tenant,
        hashed,
        time_of(time.time()),
        note=" ".join(wish.note.split()),
        expires=wish.expires,
        app=wish.app,
        certificate=wish.certificate,
        access=wish.access,
    )


def _show(record: KeyRecord, key: str) -> None:
    print(key)
    print(f"{record.id} for {record.tenant}. The key above is shown only once: keep it now.", file=sys.stderr)


def _with_id(path: Path, records: tuple[KeyRecord, ...], id: str) -> KeyRecord:
    for record in records:
        if record.id == id:
            return record
    mend = did_you_mean(id, [record.id for record in records])
    raise Problems([Problem(str(path), 0, 0, "There is no key with this id.", mend)])


def _ends_at(record: KeyRecord) -> float:
    seconds = seconds_of(record.expires)
    return seconds if seconds is not None else math.inf


def _as_long(old: KeyRecord, now: float) -> str:
    """When the successor of `old` ends, if it is to live as long: empty if `old` was without end."""
    created = seconds_of(old.created)
    return time_of(now + _ends_at(old) - created) if old.expires and created is not None else ""


def _limits(record: KeyRecord) -> str:
    """What of a key is limited, in one bracket."""
    scope, networks = record.access.scope, record.access.networks
    parts = [",".join(sorted(limit)) for limit in (scope.apis, scope.models) if limit is not None]
    if networks is not None:
        parts.append("from " + ",".join(map(str, networks)))
    if record.certificate:
        parts.append(record.certificate)
    return f"[{'; '.join(parts)}]" if parts else ""


def _check(directory: Path, name: str, what: str, known: Collection[str]) -> None:
    if name not in known:
        raise Problems([Problem(str(directory), 0, 0, f"There is no {what} `{name}`.", did_you_mean(name, known))])


# What is written on the command line


def _end(text: str, now: float) -> str:
    if not text or seconds_of(text) is not None:
        return text
    return time_of(now + _seconds(text, "--expires"))


def _seconds(text: str, option: str) -> float:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise _wrong(option, "This is not a time.", "Write `30m`, `24h`, `90d`, or a date where one may stand.")
    return int(found[1]) * _SPAN_UNITS[found[2]]


def _name(text: str, option: str) -> str:
    if text and not re.fullmatch(NAME_PATTERN, text):
        raise _wrong(option, "This is not a name.", "Write letters, digits and `. _ - / :`, at most 100 of them.")
    return text


def _listed(text: str, option: str, known: Collection[str] | None) -> frozenset[str] | None:
    names = [_name(name, option) for name in _parts(text, option)]
    for name in names if known is not None else ():
        if name not in (known or ()):
            raise _wrong(option, f"There is no `{name}`.", did_you_mean(name, known or ()))
    return frozenset(names) or None


def _parts(text: str, option: str) -> list[str]:
    """What stands between commas. A limit that names nothing would be none."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if text and not parts:
        raise _wrong(option, "It names nothing.", "Leave it out for a key without this limit.")
    return parts


def _networks(text: str) -> Networks | None:
    try:
        return tuple(ip_network(name) for name in _parts(text, "--from")) or None
    except ValueError:
        raise _wrong("--from", "This is not a network.", "Write `10.0.0.0/8`; host bits must be 0.") from None


def _certificate(text: str) -> str:
    if text and not is_certificate_name(text):
        raise _wrong("--certificate", "This is not a name in a certificate.", HOW_CERTIFICATES_ARE_NAMED)
    return text


def _wrong(option: str, message: str, mend: str) -> Problems:
    return Problems([Problem(option, 0, 0, message, mend)])


def _from_stdin() -> str:
    key = sys.stdin.readline().strip()
    if not is_well_formed(key):
        # Not quoted: it may be a key all the same.
        message = f"The key must have {SHORTEST_KEY} to {LONGEST_KEY} characters: letters, digits and any of `._~+/=-`."
        raise Problems([Problem("stdin", 0, 0, message)])
    return key
