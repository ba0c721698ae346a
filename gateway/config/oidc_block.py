"""`oidc` in gateway.yaml: identity providers whose tokens are credentials, and what their claims mean here.

Everything is a table that the operator writes: a value that leads to no tenant lets nobody in. Where keys come from is
said here and nowhere else; a token cannot say it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final, TypeVar

from gateway.config.access_block import SCOPE_KEYS, scope
from gateway.config.connection_block import proxy
from gateway.core.access import Scope
from gateway.core.claims import ALGORITHMS, ClaimTable, Issuer
from gateway.core.reading import Reader, Word, shown
from gateway.core.topology import Proxy
from gateway.core.written import Group, Listing, Node, Place, Unreadable

MOST_ISSUERS: Final = 16
USUAL_ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
USUAL_LEEWAY_S: Final = 30.0
USUAL_REFRESH_S: Final = 300.0
USUAL_KEEP_S: Final = 3600.0

# A path and a query, since some providers name the tenant in it; no user, no fragment, nothing that has to be decoded.
_KEYS_URL: Final = re.compile(
    r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]{0,252})(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/%?&=:,+@-]{0,1000})?"
)
_REQUIRED: Final = ("issuer", "audience", "keys", "tenant")
_KEYS: Final = (*_REQUIRED, "algorithms", "leeway", "refresh", "keep", "scopes", "app")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeysAt:
    """The keys are fetched from `url`, through `proxy` if there is one, from a server that `ca` vouches for."""

    url: str
    ca: Word | None = None
    proxy: str | None = None


@dataclass(frozen=True, slots=True)
class KeysIn:
    """The keys are in a file of the configuration's folder, which is looked at as often as others are fetched."""

    file: Word


@dataclass(frozen=True, slots=True)
class OidcIssuer:
    """One identity provider. Keys are fetched every `refresh_s`, and count for `keep_s` after they last could be.

    `tenants` are those that its table leads to, with their places; it stands `at` this one itself.
    """

    rules: Issuer
    keys: KeysAt | KeysIn
    refresh_s: float
    keep_s: float
    tenants: tuple[Word, ...]
    at: Place


def issuers(reader: Reader, node: Node | None) -> tuple[OidcIssuer, ...]:
    """Those that could be read."""
    found: list[OidcIssuer] = []
    names = [(name, value) for name, value in reader.entries(node, "`oidc`")]
    if node is not None and len(names) > MOST_ISSUERS:
        reader.report(node.at, f"`oidc` names more than {MOST_ISSUERS} issuers.", "Run another gateway for the others.")
    for name, value in names:
        one = _issuer(reader, name, value)
        if one is None:
            continue
        if any(one.rules.issuer == other.rules.issuer for other in found):
            message = f"{shown(name.text)} is the same issuer as another one."
            reader.report(name.at, message, "One issuer has one place: put their tables together.")
        found.append(one)
    return tuple(found)


def _issuer(reader: Reader, name: Word, node: Node) -> OidcIssuer | None:
    fields = reader.fields(node, f"The issuer {shown(name.text)}", _KEYS, _REQUIRED)
    issuer = reader.text(fields.get("issuer"), "`issuer`")
    audiences = _texts(reader, fields.get("audience"), "`audience`")
    algorithms = [
        word.text
        for word in reader.names(fields.get("algorithms"), "`algorithms`")
        if reader.reference(word, "The algorithm", ALGORITHMS) is not None
    ]
    leeway = reader.duration(fields.get("leeway"), "`leeway`", least=0.0, most=300.0)
    refresh = reader.duration(fields.get("refresh"), "`refresh`", least=10.0, most=86_400.0)
    keep = reader.duration(fields.get("keep"), "`keep`", least=10.0, most=86_400.0)
    keys = _key_source(reader, fields.get("keys"))
    leads_to: list[Word] = []

    def tenant(value: Node) -> str | None:
        word = reader.name(value, "A tenant in `values`")
        leads_to.extend([word] if word is not None else [])
        return word.text if word is not None else None

    def granted(value: Node) -> Scope | None:
        return scope(reader, reader.fields(value, "A scope in `values`", SCOPE_KEYS), None)

    def app(value: Node) -> str | None:
        word = reader.name(value, "An app in `values`")
        return word.text if word is not None else None

    tenants = _table(reader, fields.get("tenant"), "`tenant`", tenant)
    scopes = _table(reader, fields.get("scopes"), "`scopes`", granted)
    apps = _table(reader, fields.get("app"), "`app`", app)
    if issuer is None or not audiences or keys is None or tenants is None:
        return None
    rules = Issuer(
        name=name.text,
        issuer=issuer.text,
        audiences=frozenset(audiences),
        algorithms=frozenset(algorithms or USUAL_ALGORITHMS),
        tenants=tenants,
        scopes=scopes,
        apps=apps,
        leeway_s=leeway if leeway is not None else USUAL_LEEWAY_S,
    )
    return OidcIssuer(rules, keys, refresh or USUAL_REFRESH_S, keep or USUAL_KEEP_S, tuple(leads_to), name.at)


def _key_source(reader: Reader, node: Node | None) -> KeysAt | KeysIn | None:
    fields = reader.fields(node, "`keys`", ("url", "file", "ca", "proxy"))
    url, file = reader.text(fields.get("url"), "`keys.url`"), reader.text(fields.get("file"), "`keys.file`")
    ca = reader.text(fields.get("ca"), "`keys.ca`")
    through = proxy(reader, fields.get("proxy"), "`keys.proxy`", None)
    if node is not None and (url is None) == (file is None):
        reader.report(
            node.at, "`keys` come from exactly one place.", "Write `{url: https://…}` or `{file: keys.json}`."
        )
        return None
    if file is not None:
        if ca is not None or through is not None:
            reader.report(file.at, "`ca` and `proxy` belong to a `url`.", "Leave them out.")
        return KeysIn(file)
    assert url is not None  # noqa: S101 -- one of the two is there
    found = _KEYS_URL.fullmatch(url.text)
    if found is None:
        reader.report(url.at, "`keys.url` must be a URL without a user and a fragment.", "Write `https://…`.")
        return None
    if found[1] == "http" and not _is_loopback(found[2].strip("[]")):
        message = "Keys that are fetched without TLS are whatever somebody on the way says."
        reader.report(url.at, message, "Write `https://`; `http://` is for this machine's own 127.0.0.1 and [::1].")
    return KeysAt(url.text, ca, f"http://{_authority(through)}" if through is not None else None)


def _table(reader: Reader, node: Node | None, what: str, meaning: Callable[[Node], T | None]) -> ClaimTable[T] | None:
    """`{claim: tid, values: {"0f…": bank}}`; the claim may be a path, `[realm_access, roles]`."""
    if node is None:
        return None
    fields = reader.fields(node, what, ("claim", "values"), ("claim", "values"))
    path = _texts(reader, fields.get("claim"), f"`claim` of {what}")
    written = fields.get("values")
    values: dict[str, T] = {}
    if isinstance(written, Group):
        for key, value in written.entries:
            means = meaning(value)
            if means is not None:
                values[key.text] = means
    elif written is not None and not isinstance(written, Unreadable):
        reader.report(
            written.at, f"`values` of {what} must be a group.", "Write the claim's values and what they mean."
        )
    return ClaimTable(path, MappingProxyType(values)) if path else None


def _texts(reader: Reader, node: Node | None, what: str) -> tuple[str, ...]:
    """One text, or a list of them."""
    items = reader.items(node, what) if isinstance(node, Listing) else (node,) if node is not None else ()
    words = [reader.text(item, what) for item in items]
    return tuple(word.text for word in words if word is not None)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _authority(proxy: Proxy) -> str:
    return f"[{proxy.host}]:{proxy.port}" if ":" in proxy.host else f"{proxy.host}:{proxy.port}"
