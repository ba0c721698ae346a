"""`tidegate cache status|purge`: what is kept of answers, and destroying what is kept for one tenant.

Purging destroys the tenant's key: what was stored under it, wherever that is, can neither be found nor opened any more.
Every worker that uses the same file of keys has let go of the old one within a second.
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.cli.admin_port import AdminPort, add_folder
from gateway.cli.cache_words import say
from gateway.cli.endings import told
from gateway.cli.main import Subparsers
from gateway.cli.page import Page
from gateway.cli.problem_report import GOOD, Misuse, text_of
from gateway.cli.spoken import add_language, language
from gateway.core import measures
from gateway.core.problems import did_you_mean
from gateway.parts import cache_keys_file
from gateway.runtime.cache_keys import KeyFile, Unreadable, destroy, read_keys
from gateway.runtime.keyring import Purpose
from gateway.settings import CONFIG_VARIABLE, Settings, load
from gateway.wire.exposition import from_json

PATH: Final = "/admin/v1/figures"
_ASKED: Final = ("near", "far", "waited", "old", "miss")


def add_commands(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `tidegate cache`."""
    parser = subparsers.add_parser("cache", help="show what is kept of answers, or destroy what is kept for a tenant")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    status = actions.add_parser("status", help="say what is kept, where, under which keys, and how often it helped")
    _add_rest(status)
    status.set_defaults(run=told(_status))
    purge = actions.add_parser("purge", help="destroy a tenant's key, and with it every answer that is stored for it")
    purge.add_argument("--tenant", metavar="NAME", required=True, help="whose answers: a tenant of tenants.yaml")
    _add_rest(purge)
    purge.set_defaults(run=told(_purge))


def _add_rest(parser: argparse.ArgumentParser) -> None:
    add_folder(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    add_language(parser)


def _settings(arguments: argparse.Namespace) -> Settings:
    return load(arguments.config or Path(os.environ.get(CONFIG_VARIABLE) or "."), os.environ)


def _purge(arguments: argparse.Namespace) -> int:
    settings, spoken, tenant = _settings(arguments), language(arguments), arguments.tenant
    path = cache_keys_file(settings)
    known = {*settings.bundle.tenants, *_keys(path).keys}
    if tenant not in known:
        # Also one that tenants.yaml no longer names, as long as it has a key: what is kept for it should go, too.
        raise Misuse(str(path), "There is no such tenant.", did_you_mean(tenant, known))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    had_one = destroy(path, settings.keyring().key(Purpose.CACHE_KEYS), tenant, time.time())
    if arguments.json:
        print(text_of({"ok": True, "tenant": tenant, "destroyed": had_one}))
    else:
        page = Page.on(sys.stdout, os.environ)
        page.say(say("purged" if had_one else "nothing", spoken, tenant=tenant))
        if had_one:
            page.say(say("copies", spoken, file=path))
    return GOOD


def _status(arguments: argparse.Namespace) -> int:
    settings, spoken = _settings(arguments), language(arguments)
    path = cache_keys_file(settings)
    keys = sorted(_keys(path).keys.items())
    figures = _figures(arguments)
    if arguments.json:
        shown = {
            "ok": True,
            "on": settings.gateway.cache is not None,
            "shared": settings.stores.cache is not None,
            "keys_file": str(path),
            "keys": [{"tenant": name, "id": one.id, "made": _when(one.made_at)} for name, one in keys],
            "running": figures,
        }
        print(text_of(shown))
        return GOOD
    page = Page.on(sys.stdout, os.environ)
    block, order = settings.gateway.cache, settings.bundle.policy.order
    if block is None:
        page.say(say("off", spoken))
        return GOOD
    ceiling = order.name(block.ceiling(order))
    page.say(say("on_shared" if settings.stores.cache is not None else "on", spoken, label=ceiling))
    for label, seconds in sorted(settings.bundle.policy.cache.items()):
        page.say(f"  {say('kept' if seconds else 'never', spoken, label=order.name(label), count=f'{seconds:g}')}")
    page.say(say("keys", spoken, count=len(keys), file=path))
    for name, one in keys:
        page.say(f"  {say('key', spoken, tenant=name, when=_when(one.made_at))}")
    if figures is None:
        page.say(say("not_running", spoken))
        return GOOD
    asked = sum(figures[way] for way in _ASKED)
    hits = asked - figures["miss"]
    share = f"{hits / asked:.0%}" if asked else "-"
    page.say(say("counts", spoken, asked=f"{asked:,}", hits=f"{hits:,}", share=share, bypass=f"{figures['bypass']:,}"))
    page.say(say("memory", spoken, count=f"{figures['entries']:,}", size=f"{figures['bytes'] / (1 << 20):.1f}"))
    return GOOD


def _keys(path: Path) -> KeyFile:
    try:
        return read_keys(path)
    except FileNotFoundError:
        return KeyFile({})
    except Unreadable:
        message = "This file of keys is not one that this version has written."
        mend = "Restore it, or delete it: everything that is stored under its keys is lost then."
        raise Misuse(str(path), message, mend) from None


def _figures(arguments: argparse.Namespace) -> Mapping[str, int] | None:
    """What a running gateway has counted; None if there is none."""
    try:
        answer = AdminPort.of(arguments).ask(PATH)
    except Misuse:
        return None
    account = from_json(answer.body, measures.FAMILIES) if answer.status == 200 else None
    if account is None:
        return None
    ways = account.numbers.get(measures.CACHE.name, {})
    found = {way: int(ways.get((way,), 0)) for way in (*_ASKED, "bypass")}
    for name, family in (("entries", measures.CACHE_ENTRIES), ("bytes", measures.CACHE_BYTES)):
        found[name] = int(account.numbers.get(family.name, {}).get((), 0))
    return found


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
