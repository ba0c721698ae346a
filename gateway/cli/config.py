"""`tidegate config check` and `tidegate config show`: what the files say, and every problem in them at once.

`check` proves the policy, as `serve` does before it starts. `show` prints values with their defaults and the places of
secrets, never a secret.
"""

import argparse
import os
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.cli.problem_report import as_json, lines, report
from gateway.cli.proved import load_proved, shown
from gateway.cli.spoken import add_language, language
from gateway.config.cache_block import CacheBlock
from gateway.config.canary_block import CanaryBlock
from gateway.config.gateway_file import GatewayFile
from gateway.core.problems import Problems
from gateway.core.topology import Endpoint, Pool
from gateway.parts import cache_keys_file
from gateway.policy.words import Table, fill
from gateway.settings import CONFIG_VARIABLE, Settings, load
from gateway.stores.redis_settings import RedisSettings


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `config` with its commands."""
    group = subparsers.add_parser("config", help="check and show the configuration")
    commands = group.add_subparsers(metavar="COMMAND", required=True)
    check = commands.add_parser("check", help="read every file, prove the policy, and report every problem")
    _add_folder(check)
    check.add_argument("--json", action="store_true", help="print the problems as JSON")
    add_language(check)
    check.set_defaults(run=_check)
    show = commands.add_parser("show", help="print what the files amount to, without secrets")
    _add_folder(show)
    add_language(show)
    show.set_defaults(run=_show)


_WORDS: Final[Table] = MappingProxyType(
    {
        "good": (
            "{folder}: the configuration is good: policy version {version}, pools: {pools}, tenants: {tenants}, "
            "keys: {keys}.",
            "{folder}：配置无误：策略版本 {version}，资源池 {pools} 个，租户 {tenants} 个，密钥 {keys} 个。",
        ),
        "note": ("note: {note}", "提示：{note}"),
    }
)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        metavar="DIR",
        type=Path,
        default=None,
        help=f"the folder with gateway.yaml; ${CONFIG_VARIABLE} or the current one if not given",
    )


def _folder(arguments: argparse.Namespace) -> Path:
    folder = arguments.config
    return folder if isinstance(folder, Path) else Path(os.environ.get(CONFIG_VARIABLE) or ".")


def _check(arguments: argparse.Namespace) -> int:
    folder = _folder(arguments)
    try:
        settings, proved = load_proved(folder, os.environ, shown())
    except Problems as found:
        return report(found.problems, json=arguments.json, spoken=language(arguments))
    if arguments.json:
        print(as_json((), proved.notes))
        return 0
    spoken, bundle = language(arguments), settings.bundle
    for note in lines(proved.notes, spoken):
        print(fill(_WORDS, "note", spoken, note=note))
    gaps = {"pools": len(bundle.topology.pools), "tenants": len(bundle.tenants), "keys": len(bundle.keys)}
    print(fill(_WORDS, "good", spoken, folder=folder, version=bundle.policy.version, **gaps))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    try:
        settings = load(_folder(arguments), os.environ)
    except Problems as found:
        return report(found.problems, json=False, spoken=language(arguments))
    for line in _lines(settings):
        print(line)
    return 0


def _lines(settings: Settings) -> list[str]:
    bundle, order = settings.bundle, settings.bundle.policy.order
    lines = [*_gateway(settings.gateway, settings), "", "pools:"]
    for pool in bundle.topology.pools:
        lines.append(f"  {pool.name}: zone {pool.zone}, clearance {order.name(pool.clearance)}, {_pool(pool)}")
        lines += [f"    - {_endpoint(endpoint)}" for endpoint in pool.endpoints]
        if pool.dns is not None:
            lines.append(f"    - every address of {_endpoint(pool.dns)}")
    lines += ["", "tenants:"]
    for tenant in bundle.tenants.values():
        ceiling = order.name(tenant.ceiling) if tenant.ceiling is not None else "none"
        sees = ", ".join(sorted(tenant.sees)) or "nothing"
        lines.append(f"  {tenant.id}: class {tenant.tenant_class}, ceiling {ceiling}, sees {sees}")
    own = "; ".join(f"{one.name} ({', '.join(sorted(one.entities))})" for one in bundle.recognizers) or "none"
    lines += ["", f"recognizers of your own: {own}"]
    lines += ["", f"keys: {len(bundle.keys)}", "", f"policy: version {bundle.policy.version}, {bundle.policy.digest}"]
    return lines


def _gateway(gateway: GatewayFile, settings: Settings) -> list[str]:
    limits, ner = gateway.limits, gateway.ner
    tls = f"{settings.tls[0]}, {settings.tls[1]}" if settings.tls is not None else "off"
    return [
        f"listen: {gateway.listen}",
        f"admin: {gateway.admin.listen}, token from {gateway.admin.token}, "
        f"metrics token from {gateway.admin.metrics_token or 'the same'}",
        f"root_secret: from {gateway.root_secret}",
        f"state_dir: {settings.state_dir}",
        f"workers: {gateway.workers}",
        f"limits: body {limits.body} B, headers {limits.headers} B, receive {limits.receive_s:g} s, "
        f"drain {limits.drain_s:g} s, scan_inline {limits.scan_inline}, home_only_above {limits.home_only_above} B",
        f"tls: {tls}",
        _clients(gateway),
        *(f"oidc: {one.rules.name}, issuer {one.rules.issuer}" for one in gateway.oidc),
        f"audit: buffer {gateway.audit_buffer}",
        f"history: keep {gateway.history_s:g} s",
        f"ner: workers {ner.workers}, queue {ner.queue}, deadline {ner.deadline_s:g} s, longest {ner.longest}",
        _cache(gateway.cache, settings),
        _canary(gateway.canary),
        f"stores: state {_store(settings.stores.state)}; cache {_store(settings.stores.cache)}",
    ]


def _store(store: RedisSettings | None) -> str:
    if store is None:
        return "in memory"
    user = store.login.username or ("default" if store.login.password is not None else "nobody")
    tls = "TLS" if store.tls is not None else "no TLS"
    return f"at {store.where} as {user}, {tls}, prefix {store.prefix}, timeout {store.timeout_s * 1000:g} ms"


def _clients(gateway: GatewayFile) -> str:
    clients = gateway.clients
    must = "required" if clients.must_certify else "optional"
    certificates = f"certificates of {clients.ca.text}, {must}" if clients.ca is not None else "no certificates"
    proxies = clients.proxies
    named = [*map(str, proxies.networks), *(["unix"] if proxies.unix else [])] if proxies is not None else ["none"]
    return f"clients: {certificates}, trusted proxies {', '.join(named)}"


def _cache(block: CacheBlock | None, settings: Settings) -> str:
    if block is None:
        return "cache: off"
    order = settings.bundle.policy.order
    return (
        f"cache: memory {block.memory} B, share {block.share:.0%}, largest {block.largest} B, wait {block.wait_s:g} s, "
        f"clearance {order.name(block.ceiling(order))}, keys in {cache_keys_file(settings)}"
    )


def _canary(block: CanaryBlock | None) -> str:
    if block is None:
        return "canary: off"
    model = block.model.text if block.model is not None else "each in turn"
    return f"canary: every {block.every_s:g} s, model {model}"


def _pool(pool: Pool) -> str:
    capabilities = ", ".join(sorted(pool.capabilities)) or "none"
    credential = "set" if pool.credential is not None else "none"
    times = pool.timeouts
    return (
        f"{pool.backend} {pool.model}, capabilities {capabilities}, credential {credential}, "
        f"max_in_flight {pool.max_in_flight}, {pool.reserved} kept for home, queue {pool.max_queued}, "
        f"timeouts {times.connect_s:g}/{times.first_content_s:g}/{times.idle_s:g}/{times.total_s:g} s"
    )


def _endpoint(endpoint: Endpoint) -> str:
    if endpoint.unix is not None:
        return f"{endpoint.name}: unix:{endpoint.unix}"
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{endpoint.name}: {'https' if endpoint.is_tls else 'http'}://{host}:{endpoint.port}{endpoint.base_path}"
