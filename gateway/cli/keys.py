"""`tidegate keys create|list|revoke`: API keys, of which only keyed hashes are ever written down.

A new key is printed once, alone on stdout, so that a script can take it; everything for people goes to stderr.
"""

import argparse
import base64
import os
import secrets
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.cli.main import Subparsers
from gateway.config.keys_file import KeyRecord
from gateway.core.facts import Tenant
from gateway.core.problems import Problem, Problems, did_you_mean
from gateway.runtime.authn import GUESSABLE_BELOW, LONGEST_KEY, SHORTEST_KEY, hash_of, is_well_formed
from gateway.runtime.key_file import locked, replace_keys
from gateway.runtime.keyring import Keyring
from gateway.settings import CONFIG_VARIABLE, load, load_keys

KEY_PREFIX: Final = "sk-tg-"
_KEY_BYTES: Final = 32  # 43 characters of URL-safe base64


def add_commands(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `tidegate keys`."""
    parser = subparsers.add_parser("keys", help="create, list and revoke API keys")
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    create = actions.add_parser("create", help="create a key for a tenant and print it once")
    create.add_argument("--tenant", required=True, help="whom the key belongs to: a tenant of tenants.yaml")
    create.add_argument("--note", default="", help="what the key is for, in your words")
    create.add_argument(
        "--from-stdin", action="store_true", help="take the key from the first line of stdin instead of making one"
    )
    _add_config(create)
    create.set_defaults(run=run_create)

    listing = actions.add_parser("list", help="list the keys' ids, tenants and notes")
    _add_config(listing)
    listing.set_defaults(run=run_list)

    revoke = actions.add_parser("revoke", help="remove a key")
    revoke.add_argument("id", help="the key's id, as `tidegate keys list` shows it")
    _add_config(revoke)
    revoke.set_defaults(run=run_revoke)


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
    given = _from_stdin() if arguments.from_stdin else None
    record, key = create_key(arguments.config, arguments.tenant, note=arguments.note, given=given)
    if given is None:
        print(key)
        print(f"{record.id} for {record.tenant}. The key above is shown only once: keep it now.", file=sys.stderr)
    else:
        print(f"{record.id} for {record.tenant}, with the key that was given.", file=sys.stderr)
        if len(given) < GUESSABLE_BELOW:
            print("This key is short enough to be guessed: use it for tests only.", file=sys.stderr)
    print("A running gateway knows it after a restart.", file=sys.stderr)
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    """`tidegate keys list`."""
    _, records = load_keys(arguments.config, os.environ)
    if not records:
        print("There are no keys. `tidegate keys create --tenant NAME` makes one.", file=sys.stderr)
        return 0
    width = max(len(record.tenant) for record in records)
    for record in records:
        print(f"{record.id}  {record.tenant:<{width}}  {record.created}  {record.note}".rstrip())
    return 0


def run_revoke(arguments: argparse.Namespace) -> int:
    """`tidegate keys revoke`."""
    path, _ = load_keys(arguments.config, os.environ)
    with locked(path):
        path, records = load_keys(arguments.config, os.environ)
        kept = [record for record in records if record.id != arguments.id]
        if len(kept) == len(records):
            mend = did_you_mean(arguments.id, [record.id for record in records])
            raise Problems([Problem(str(path), 0, 0, "There is no key with this id.", mend)])
        replace_keys(path, kept)
    print(f"{arguments.id} is revoked. A running gateway refuses it after a restart.", file=sys.stderr)
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
    path, _ = load_keys(directory, environ)
    with locked(path):
        settings = load(directory, environ)
        _check_tenant(directory, tenant, settings.bundle.tenants)
        path, records = load_keys(directory, environ)
        key = given if given is not None else new_key()
        record = _record(path, key, tenant, " ".join(note.split()), settings.keyring(), records)
        replace_keys(path, [*records, record])
    return record, key


def new_key() -> str:
    """A key that nobody has: `sk-tg-` and 43 random characters."""
    return KEY_PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode().rstrip("=")


def _record(
    path: Path, key: str, tenant: str, note: str, keyring: Keyring, records: tuple[KeyRecord, ...]
) -> KeyRecord:
    hashed = hash_of(key, keyring)
    for record in records:
        if record.hash == hashed:
            raise Problems([Problem(str(path), 0, 0, "This key is there already.", f"Its id is {record.id}.")])
    taken = {record.id for record in records}
    id = next(id for id in iter(lambda: f"key_{secrets.token_hex(4)}", "") if id not in taken)
    return KeyRecord(id, tenant, hashed, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), note)


def _check_tenant(directory: Path, tenant: str, tenants: Mapping[str, Tenant]) -> None:
    if tenant not in tenants:
        raise Problems(
            [Problem(str(directory), 0, 0, f"There is no tenant `{tenant}`.", did_you_mean(tenant, tenants))]
        )


def _from_stdin() -> str:
    key = sys.stdin.readline().strip()
    if not is_well_formed(key):
        # Not quoted: it may be a key all the same.
        message = f"The key must have {SHORTEST_KEY} to {LONGEST_KEY} characters: letters, digits and any of `._~+/=-`."
        raise Problems([Problem("stdin", 0, 0, message)])
    return key
