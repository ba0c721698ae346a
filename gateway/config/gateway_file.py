"""gateway.yaml: ports, folders, where the secrets are, limits, and the names of the other files.

`TIDEGATE_…` environment variables stand in for its scalars; a variable of that kind that names no scalar is left
alone, since Kubernetes sets some of its own for a service called `tidegate`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from gateway.config import cache_block, canary_block, stores_block
from gateway.config.addresses import Listen, Tcp, listen
from gateway.config.cache_block import CacheBlock
from gateway.config.canary_block import CanaryBlock
from gateway.config.clients_block import Clients, clients
from gateway.config.oidc_block import OidcIssuer, issuers
from gateway.config.secret_source import SecretFile, SecretSource, secret_source
from gateway.config.stores_block import Stores
from gateway.core.reading import Fields, Reader
from gateway.core.written import Group, Node, Place, Scalar

_KIB: Final = 1 << 10
_MIB: Final = 1 << 20

OVERRIDES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "TIDEGATE_" + "_".join(path).upper(): path
        for path in (
            ("listen",),
            ("admin", "listen"),
            ("state_dir",),
            ("workers",),
            ("replicas",),
            ("files", "policy"),
            ("files", "pools"),
            ("files", "tenants"),
            ("files", "keys"),
            ("files", "recognizers"),
            ("files", "shadow"),
            ("limits", "body"),
            ("limits", "headers"),
            ("limits", "receive"),
            ("limits", "drain"),
            ("limits", "scan_inline"),
            ("limits", "home_only_above"),
            ("audit", "buffer"),
            ("ner", "workers"),
            ("ner", "queue"),
            ("ner", "deadline"),
            ("ner", "longest"),
            ("cache", "memory"),
            ("cache", "share"),
            ("cache", "largest"),
            ("cache", "wait"),
            ("cache", "clearance"),
            ("cache", "keys"),
            ("canary", "every"),
            ("canary", "model"),
            ("stores", "state", "address"),
            ("stores", "state", "username"),
            ("stores", "state", "prefix"),
            ("stores", "state", "timeout"),
            ("stores", "cache", "address"),
            ("stores", "cache", "username"),
            ("stores", "cache", "prefix"),
            ("stores", "cache", "timeout"),
        )
    }
)
"""The environment variables that stand in for a scalar, and which."""


KEPT_S: Final = 12 * 3600.0
"""How long replies are remembered: longer than a working day's conversations last."""


@dataclass(frozen=True, slots=True)
class Admin:
    """The second port: for operators, with a credential of its own. `metrics_token` may read the metrics, no more."""

    listen: Listen
    token: SecretSource
    metrics_token: SecretSource | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """The other files, relative to the configuration's folder. `recognizers` is None if none was named; `shadow` is
    where a candidate for the policy stands while there is one."""

    policy: str = "policy.yaml"
    pools: str = "pools.yaml"
    tenants: str = "tenants.yaml"
    keys: str = "keys.yaml"
    recognizers: str | None = None
    shadow: str = "policy.shadow.yaml"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes and seconds. `scan_inline` is in characters: below it a request is scanned on the event loop."""

    body: int = 8 * _MIB
    headers: int = 32 * _KIB
    receive_s: float = 30.0
    drain_s: float = 300.0
    scan_inline: int = 3000
    home_only_above: int = 256 * _KIB


@dataclass(frozen=True, slots=True)
class Ner:
    """The model tier: processes for each worker, how many questions may wait for them, and what one may be.

    `longest` is in characters that the tenant has not sent before. What is beyond any of these is not read.
    """

    workers: int = 1
    queue: int = 2
    deadline_s: float = 2.0
    longest: int = 20_000


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The certificate chain and its key, both as files."""

    certificate: SecretFile
    key: SecretFile


@dataclass(frozen=True, slots=True)
class GatewayFile:
    """The whole file. `replicas` is how many gateways share the limits of tenants, this one included.

    `are_signatures_required` keeps a bundle that nobody answers for from coming into force.
    """

    listen: Listen
    admin: Admin
    root_secret: SecretSource
    state_dir: str = "state"
    workers: int = 1
    replicas: int = 1
    files: Files = field(default_factory=Files)
    limits: Limits = field(default_factory=Limits)
    tls: TlsFiles | None = None
    audit_buffer: int = 4096
    history_s: float = KEPT_S
    ner: Ner = field(default_factory=Ner)
    clients: Clients = field(default_factory=Clients)
    oidc: tuple[OidcIssuer, ...] = ()
    stores: Stores = field(default_factory=Stores)
    cache: CacheBlock | None = None
    canary: CanaryBlock | None = None
    are_signatures_required: bool = False


def read(root: Node, reader: Reader, environ: Mapping[str, str]) -> GatewayFile | None:
    """The values of gateway.yaml under `environ`, or None if what cannot be done without is missing."""
    for name, path in OVERRIDES.items():
        if environ.get(name):
            root = _with(root, path, Scalar(environ[name], is_plain=True, at=Place(f"environment variable {name}")))
    known = (
        "apiVersion", "listen", "admin", "state_dir", "root_secret", "workers", "files", "limits", "tls", "audit",
        "history", "replicas", "ner", "clients", "oidc", "stores", "cache", "canary", "signatures",
    )  # fmt: skip
    top = reader.fields(root, "The gateway file", known, ("apiVersion", "admin", "root_secret"))
    reader.api_version(top)
    address = listen(reader, reader.text(top.get("listen"), "`listen`"), "`listen`")
    state_dir = reader.text(top.get("state_dir"), "`state_dir`")
    workers = reader.integer(top.get("workers"), "`workers`", least=1, most=256)
    replicas = reader.integer(top.get("replicas"), "`replicas`", least=1, most=10_000)
    audit = reader.fields(top.get("audit"), "`audit`", ("buffer",))
    buffer = reader.integer(audit.get("buffer"), "`audit.buffer`", least=16, most=1_000_000)
    history = reader.fields(top.get("history"), "`history`", ("keep",))
    kept_s = reader.duration(history.get("keep"), "`history.keep`", least=60.0, most=30 * 86_400.0)
    signatures = reader.fields(top.get("signatures"), "`signatures`", ("required",), ("required",))
    admin = _admin(reader, top.get("admin"))
    root_secret = secret_source(reader, top.get("root_secret"), "The root secret")
    files, limits, tls = _files(reader, top.get("files")), _limits(reader, top.get("limits")), _tls(reader, top)
    if admin is None or root_secret is None:
        return None
    return GatewayFile(
        listen=address or Tcp("127.0.0.1", 8080),
        admin=admin,
        root_secret=root_secret,
        state_dir=state_dir.text if state_dir is not None else "state",
        workers=workers or 1,
        replicas=replicas or 1,
        files=files,
        limits=limits,
        tls=tls,
        audit_buffer=buffer or 4096,
        history_s=kept_s if kept_s is not None else KEPT_S,
        ner=_ner(reader, top.get("ner")),
        clients=clients(reader, top.get("clients"), has_tls=top.get("tls") is not None),
        oidc=issuers(reader, top.get("oidc")),
        stores=stores_block.read(reader, top.get("stores")),
        cache=cache_block.read(reader, top.get("cache")),
        canary=canary_block.read(reader, top.get("canary")),
        are_signatures_required=bool(reader.flag(signatures.get("required"), "`signatures.required`")),
    )


def _with(node: Node, path: tuple[str, ...], value: Scalar) -> Node:
    if isinstance(node, Scalar) and node.value is None:
        node = Group((), node.at)
    if not isinstance(node, Group):
        return node
    key, *below = path
    old = next((entry for entry in node.entries if entry[0].text == key), None)
    name = old[0] if old is not None else Scalar(key, is_plain=True, at=value.at)
    new = _with(old[1] if old is not None else Group((), value.at), tuple(below), value) if below else value
    others = tuple(entry for entry in node.entries if entry[0].text != key)
    return Group((*others, (name, new)), node.at)


def _admin(reader: Reader, node: Node | None) -> Admin | None:
    fields = reader.fields(node, "`admin`", ("listen", "token", "metrics_token"), ("token",))
    address = listen(reader, reader.text(fields.get("listen"), "`admin.listen`"), "`admin.listen`")
    token = secret_source(reader, fields.get("token"), "The admin token")
    own = fields.get("metrics_token")
    metrics_token = secret_source(reader, own, "The metrics token") if own is not None else None
    return Admin(address or Tcp("127.0.0.1", 8081), token, metrics_token) if token is not None else None


def _files(reader: Reader, node: Node | None) -> Files:
    fields = reader.fields(node, "`files`", ("policy", "pools", "tenants", "keys", "recognizers", "shadow"))
    usual = Files()

    def name(key: str, otherwise: str) -> str:
        word = reader.text(fields.get(key), f"`files.{key}`")
        return word.text if word is not None else otherwise

    recognizers = reader.text(fields.get("recognizers"), "`files.recognizers`")
    return Files(
        name("policy", usual.policy),
        name("pools", usual.pools),
        name("tenants", usual.tenants),
        name("keys", usual.keys),
        recognizers.text if recognizers is not None else None,
        name("shadow", usual.shadow),
    )


def _limits(reader: Reader, node: Node | None) -> Limits:
    known = ("body", "headers", "receive", "drain", "scan_inline", "home_only_above")
    fields, usual = reader.fields(node, "`limits`", known), Limits()
    body = reader.size(fields.get("body"), "`limits.body`", least=_KIB, most=64 * _MIB)
    headers = reader.size(fields.get("headers"), "`limits.headers`", least=4 * _KIB, most=_MIB)
    receive_s = reader.duration(fields.get("receive"), "`limits.receive`", least=1.0, most=600.0)
    drain_s = reader.duration(fields.get("drain"), "`limits.drain`", least=0.0, most=3600.0)
    inline = reader.integer(fields.get("scan_inline"), "`limits.scan_inline`", least=0, most=20_000)
    home = reader.size(fields.get("home_only_above"), "`limits.home_only_above`", least=_KIB, most=_MIB)
    return Limits(
        body=body if body is not None else usual.body,
        headers=headers if headers is not None else usual.headers,
        receive_s=receive_s if receive_s is not None else usual.receive_s,
        drain_s=drain_s if drain_s is not None else usual.drain_s,
        scan_inline=inline if inline is not None else usual.scan_inline,
        home_only_above=home if home is not None else usual.home_only_above,
    )


def _ner(reader: Reader, node: Node | None) -> Ner:
    fields, usual = reader.fields(node, "`ner`", ("workers", "queue", "deadline", "longest")), Ner()
    workers = reader.integer(fields.get("workers"), "`ner.workers`", least=1, most=64)
    queue = reader.integer(fields.get("queue"), "`ner.queue`", least=0, most=1_000)
    deadline_s = reader.duration(fields.get("deadline"), "`ner.deadline`", least=0.1, most=30.0)
    longest = reader.integer(fields.get("longest"), "`ner.longest`", least=100, most=100_000)
    at_most = workers or usual.workers
    return Ner(
        workers=at_most,
        queue=queue if queue is not None else 2 * at_most,
        deadline_s=deadline_s if deadline_s is not None else usual.deadline_s,
        longest=longest if longest is not None else usual.longest,
    )


def _tls(reader: Reader, top: Fields) -> TlsFiles | None:
    node = top.get("tls")
    fields = reader.fields(node, "`tls`", ("certificate", "key"), ("certificate", "key"))
    certificate, key = (secret_source(reader, fields.get(name), f"`tls.{name}`") for name in ("certificate", "key"))
    for name, source in (("certificate", certificate), ("key", key)):
        if source is not None and not isinstance(source, SecretFile):
            reader.report(source.at, f"`tls.{name}` must be a file.", "Write `{file: path}`.")
    if isinstance(certificate, SecretFile) and isinstance(key, SecretFile):
        return TlsFiles(certificate, key)
    return None
