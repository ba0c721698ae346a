"""Zones, pools and endpoints: where data can go, and what each place may see.

Frozen values read once per bundle. Whether an endpoint is healthy or full is not here; that is runtime state, and
it can only take pools away from a decision, never add one.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import msgspec

from gateway.core.balance import BalanceRules
from gateway.core.breaker import BreakerRules
from gateway.core.burst import SpillRules
from gateway.core.cold_start import USUAL_S
from gateway.core.facts import Capability
from gateway.core.labels import Label
from gateway.core.warm_up import WarmRules

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


class Tls(StrEnum):
    """What a zone asks of the connections into it."""

    REQUIRED = "required"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection, as the operating system says after connecting.

    `address` is an IP address, or None for a Unix socket (`is_unix`) and for what the system could not name.
    `is_verified_tls` is true only when the certificate chain and the host name were checked.
    """

    address: Address | None = None
    is_unix: bool = False
    is_verified_tls: bool = False
    _is_in: "Zone | None" = field(default=None, init=False, repr=False, compare=False)
    """The zone that was last found to admit it: both never change, so that one look is enough (`Zone.admits`)."""


@dataclass(frozen=True, slots=True)
class Zone:
    """Where data is. `networks` of `None` means any address; `unix` says whether Unix sockets belong to it."""

    name: str
    networks: tuple[Network, ...] | None
    tls: Tls = Tls.OPTIONAL
    unix: bool = False
    is_cloud: bool = field(init=False, repr=False, compare=False)
    """Whether work here has left the building. Only a zone named `onprem` is home: anything else counts as gone."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_cloud", self.name != "onprem")

    def holds(self, address: Address | None) -> bool:
        """Whether an IP address lies in the zone's networks. One that is not known lies in no zone."""
        if address is None:
            return False
        if self.networks is None:
            return True
        address = _unmapped(address)
        # No `any`: a generator costs more than the looking. An address is in no network of the other version.
        for network in self.networks:  # noqa: SIM110
            if address in network:
                return True
        return False

    def admits(self, peer: Peer) -> bool:
        """Whether a connection to `peer` is a connection into this zone (threats.md I9)."""
        if peer._is_in is self:
            return True
        is_in = self._examined(peer)
        if is_in:
            object.__setattr__(peer, "_is_in", self)
        return is_in

    def _examined(self, peer: Peer) -> bool:
        if peer.is_unix:
            return self.unix
        if self.tls is Tls.REQUIRED and not peer.is_verified_tls:
            return False
        return self.holds(peer.address)


def address_of(text: str) -> Address | None:
    """An IP address as the system writes it, scope included; None if it is none."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _unmapped(address: Address) -> Address:
    # ::ffff:10.0.0.1 is 10.0.0.1: a dual-stack socket must not slip past an IPv4 network list.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped if mapped is not None else address


class Endpoint(msgspec.Struct, frozen=True):
    """One address in a pool. `unix` is a socket path and replaces host and port when set.

    `address` is the one to dial of those that `host` stands for, None for any of them.

    A Struct, since it is looked up for every request: hashing a dataclass is Python's work.
    """

    name: str
    host: str = "localhost"
    port: int = 0
    is_tls: bool = False
    unix: str | None = None
    base_path: str = ""
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that opens tunnels (CONNECT). It is whom we dial, so it must lie in the pool's zone."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What we show to an endpoint that asks who we are: paths of the certificate's chain and of its key, in PEM."""

    chain: str
    key: str


class Invoke(StrEnum):
    """How a SageMaker endpoint is called: OpenAI's dialect with a bearer token, or `InvokeEndpoint` with SigV4."""

    OPENAI = "openai"
    INVOCATIONS = "invocations"


class Payload(StrEnum):
    """What the container reads and writes: OpenAI's chat, or Hugging Face's `inputs` and `parameters`."""

    CHAT = "chat"
    HUGGINGFACE = "huggingface"


class DataCapture(StrEnum):
    """Whether an endpoint may keep copies of what it is asked (threats.md, 15)."""

    FORBID = "forbid"
    ALLOW = "allow"


class PrefixId(StrEnum):
    """What a SageMaker endpoint that routes by prefix is told besides the body: nothing, or a keyed hash of whose
    request it is, or of how it begins."""

    NONE = "none"
    TENANT = "tenant"
    BEGINNING = "beginning"


@dataclass(frozen=True, slots=True)
class SageMakerPlace:
    """Where one endpoint is: its region, its control plane's address if that is not AWS's own, and the component that
    serves there, if one does."""

    region: str
    control: str | None = None
    inference_component: str | None = None


@dataclass(frozen=True, slots=True)
class SageMakerTarget:
    """How a pool's SageMaker endpoints are reached.

    `has_keys` says that the pool names its own AWS keys; otherwise botocore looks where it always does. `control` is
    the address of the control plane when it is not AWS's own for the region. An endpoint that scales to zero is served
    by an `inference_component`, which requests have to name; `cold_start_s` is how long it takes from there to its
    first answer, until one has been seen. `places` are those of endpoints, by their names, for which not all of that
    holds. `warm` says how it is made ready before it is needed, None that nobody does.
    """

    region: str
    invoke: Invoke = Invoke.OPENAI
    payload: Payload = Payload.CHAT
    data_capture: DataCapture = DataCapture.FORBID
    check_every_s: float = 300.0
    has_keys: bool = False
    proxy: Proxy | None = None
    control: str | None = None
    inference_component: str | None = None
    cold_start_s: float = USUAL_S
    places: tuple[tuple[str, SageMakerPlace], ...] = ()
    prefix_id: PrefixId = PrefixId.NONE
    warm: WarmRules | None = None

    def place(self, endpoint: str) -> SageMakerPlace:
        """Where the endpoint of this name is."""
        for name, place in self.places:
            if name == endpoint:
                return place
        return SageMakerPlace(self.region, self.control, self.inference_component)

    def component(self, endpoint: str) -> str | None:
        """What requests to the endpoint of this name have to name."""
        return self.place(endpoint).inference_component if self.places else self.inference_component


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; the defaults are those of resilience.md."""

    connect_s: float = 1.0
    first_content_s: float = 60.0
    idle_s: float = 15.0
    total_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Polling:
    """What every endpoint is asked between requests: `GET health` and `GET metrics`, None for what is not asked."""

    every_s: float = 2.0
    health: str | None = None
    metrics: str | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """A set of endpoints that serve one model in one zone with one clearance.

    `backend` names the protocol adapter, `model` what the server calls its model. `credential` is the name under
    which assembly keeps the pool's secret, never the secret. `context_tokens` is the longest prompt and answer that
    its model takes together, None if nobody said. `processor` is who runs it, `residency` where its data stays,
    `agreement` the contract that covers it: names that policies may ask for, and None what nobody vouched for.
    `reserved` is how many of its places are kept for work that must stay home; `spill` says when other work may leave.
    `dns` stands for every address that its host has at the moment; there is no other endpoint then. `proxy` is whom
    its endpoints are reached through, `certificate` what they are shown, and `max_connections` how many connections
    each of them may have from one worker.
    """

    name: str
    zone: str
    clearance: Label
    backend: str
    model: str
    endpoints: tuple[Endpoint, ...]
    max_in_flight: int = 64
    max_queued: int = 256
    timeouts: Timeouts = field(default_factory=Timeouts)
    capabilities: frozenset[Capability] = frozenset()
    credential: str | None = None
    ca_file: str | None = None
    sagemaker: SageMakerTarget | None = None
    context_tokens: int | None = None
    processor: str | None = None
    residency: str | None = None
    agreement: str | None = None
    reserved: int = 0
    spill: SpillRules = field(default_factory=SpillRules)
    breaker: BreakerRules = field(default_factory=BreakerRules)
    balance: BalanceRules = field(default_factory=BalanceRules)
    polling: Polling = field(default_factory=Polling)
    dns: Endpoint | None = None
    proxy: Proxy | None = None
    certificate: ClientCertificate | None = None
    max_connections: int | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """Every pool, by name. `most_in_cloud` caps the work in flight in all cloud pools together; None is no cap."""

    pools: tuple[Pool, ...]
    most_in_cloud: int | None = None

    def pool(self, name: str) -> Pool:
        """The pool called `name`; KeyError if there is none."""
        for pool in self.pools:
            if pool.name == name:
                return pool
        raise KeyError(name)
