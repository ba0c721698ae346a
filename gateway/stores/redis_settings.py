"""Where a Redis is and how it is spoken to: what gateway.yaml says of it, with its secrets and whole paths."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config.addresses import Listen, Tcp
from gateway.config.secret_source import SecretSource
from gateway.config.stores_block import PREFIX, TIMEOUT_S, ClusterNodes, SentinelGroup, Server, StoreBlock


@dataclass(frozen=True, slots=True)
class Login:
    """As whom we speak; without a password as nobody, without a name as Redis's user `default`."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class StoreTls:
    """Whom we trust, None for whom the system trusts, and what we show of ourselves: chain and key."""

    ca: Path | None = None
    client: tuple[Path, Path] | None = None


@dataclass(frozen=True, slots=True)
class AtServer:
    """One server."""

    address: Listen


@dataclass(frozen=True, slots=True)
class AtSentinels:
    """Whom the sentinels call the primary of `master`."""

    master: str
    addresses: tuple[Tcp, ...]
    login: Login = field(default_factory=Login)


@dataclass(frozen=True, slots=True)
class AtCluster:
    """A cluster, some of whose nodes are known."""

    addresses: tuple[Tcp, ...]


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """One Redis. `prefix` begins every key of ours; a command takes `timeout_s` at the most."""

    place: AtServer | AtSentinels | AtCluster
    login: Login = field(default_factory=Login)
    tls: StoreTls | None = None
    prefix: str = PREFIX
    timeout_s: float = TIMEOUT_S

    @property
    def where(self) -> str:
        """Where it is, as gateway.yaml says it."""
        match self.place:
            case AtServer(address):
                return str(address)
            case AtSentinels(master, addresses):
                return f"{master} ({', '.join(map(str, addresses))})"
            case AtCluster(addresses):
                return ", ".join(map(str, addresses))


def settings_of(block: StoreBlock, password_of: Callable[[SecretSource], str], tls: StoreTls | None) -> RedisSettings:
    """What `block` says; `password_of` reads a secret, and `tls` is its own part with whole paths."""

    def login(username: str | None, password: SecretSource | None) -> Login:
        return Login(username, password_of(password) if password is not None else None)

    place: AtServer | AtSentinels | AtCluster
    match block.place:
        case Server(address):
            place = AtServer(address)
        case SentinelGroup(master, addresses, username, password):
            place = AtSentinels(master, addresses, login(username, password))
        case ClusterNodes(addresses):
            place = AtCluster(addresses)
    return RedisSettings(place, login(block.username, block.password), tls, block.prefix, block.timeout_s)


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Both stores; None where a store is each worker's memory."""

    state: RedisSettings | None = None
    cache: RedisSettings | None = None
