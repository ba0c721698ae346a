"""From a folder of files to everything that a gateway runs on, or every problem in all of them at once.

The only place that reads configuration files and secrets. What the files mean is `config/` and `policy/`; here they
are read in the order in which they need one another, and paths become absolute.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.config import (
    cache_block,
    canary_block,
    gateway_file,
    keys_file,
    pools_file,
    recognizers_file,
    tenants_file,
)
from gateway.config.addresses import Listen
from gateway.config.connection_block import TlsBlock
from gateway.config.gateway_file import GatewayFile
from gateway.config.keys_file import KeyRecord
from gateway.config.pools_file import PoolsFile
from gateway.config.sagemaker_block import AwsKeySources
from gateway.config.stores_block import StoreBlock
from gateway.config.tenants_file import TenantsFile
from gateway.core import written
from gateway.core.facts import Tenant
from gateway.core.reading import Reader
from gateway.core.topology import ClientCertificate
from gateway.core.written import Document, Place, Unreadable
from gateway.detect import ner_models, registry
from gateway.detect.ner_models import INSTALL
from gateway.detect.registry import Registry
from gateway.detect.scanner import scanner_digest
from gateway.policy import compile as policy_compile
from gateway.policy import form
from gateway.policy.compiled import CompiledPolicy
from gateway.runtime import bundle_shelf
from gateway.runtime.authn import StoredKey
from gateway.runtime.bundles import Bundle
from gateway.runtime.credentials import check as credentials_check
from gateway.runtime.keyring import Keyring
from gateway.runtime.secret_files import MAKE_ONE, Secret, SecretFiles
from gateway.stores.redis_settings import RedisSettings, StoreSettings, StoreTls, settings_of

GATEWAY_FILE: Final = "gateway.yaml"
RECOGNIZERS_FILE: Final = "recognizers.yaml"
CONFIG_VARIABLE: Final = "TIDEGATE_CONFIG"


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """A pool's own AWS keys. `session_token` belongs to temporary ones."""

    access_key: Secret
    secret_key: Secret
    session_token: Secret | None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a gateway runs on. `tls` are the absolute paths of certificate chain and key. `metrics_secret`
    reads the metrics and nothing else."""

    directory: Path
    gateway: GatewayFile
    bundle: Bundle
    state_dir: Path
    root_secret: Secret
    admin_secret: Secret
    credentials: Mapping[str, Secret]
    tls: tuple[Path, Path] | None
    aws_keys: Mapping[str, AwsKeys]
    metrics_secret: Secret | None = None
    stores: StoreSettings = field(default_factory=StoreSettings)

    def keyring(self) -> Keyring:
        """The sub-keys of the root secret."""
        return Keyring.from_text(self.root_secret.reveal())

    def admin_token(self) -> str:
        """The bearer credential of the admin port."""
        return self.admin_secret.reveal()

    def metrics_token(self) -> str | None:
        """The bearer credential with which metrics are read, if there is one of its own."""
        return self.metrics_secret.reveal() if self.metrics_secret is not None else None

    def credential(self, pool: str) -> bytes | None:
        """The bearer credential that `pool` sends to its servers, if it has one."""
        secret = self.credentials.get(pool)
        return secret.reveal().encode() if secret is not None else None


def load(directory: Path, environ: Mapping[str, str], *, bundle: str = "") -> Settings:
    """Read `directory`; raises Problems with everything that is wrong in all its files at once.

    With `bundle`, what requests are decided by is read as it was when that bundle was proved, where that was kept:
    the files may be others by now, or no good.
    """
    return _Loader(directory, environ, bundle).settings()


def foundation_of(settings: Settings, bundle: Bundle) -> str:
    """What takes other workers if it changes: what lies deeper than a decision in `bundle`, and gateway.yaml."""
    data = _read(settings.directory / GATEWAY_FILE, written.LARGEST_FILE)
    return hashlib.sha256(data + bundle.foundation.encode()).hexdigest()


def load_bundle(directory: Path, environ: Mapping[str, str]) -> tuple[Path, Bundle]:
    """Where the policy is, and what `directory` decides by, without secrets and keys; raises Problems."""
    loader = _Loader(directory, environ)
    gateway = loader.gateway()
    files = gateway.files if gateway is not None else gateway_file.Files()
    read = loader.read(files)
    loader.reader.finish()
    assert read.policy is not None  # noqa: S101 -- nothing is missing without a problem
    return directory / files.policy, read.bundle(read.policy, ())


def load_candidate(directory: Path, files: gateway_file.Files) -> Bundle:
    """What would be in force in `directory` if the candidate stood in the policy's place, without secrets and keys;
    raises Problems."""
    loader = _Loader(directory, {})
    read = loader.read(replace(files, policy=files.shadow))
    loader.reader.finish()
    policy = read.policy
    assert policy is not None  # noqa: S101 -- nothing is missing without a problem
    return read.bundle(policy, ()).with_scanner(scanner_digest(policy.markers, read.own.recognizers))


def load_state(directory: Path, environ: Mapping[str, str]) -> tuple[Path, Bundle]:
    """Where the state of the gateway in `directory` is, and what it decides by, without secrets and keys; raises
    Problems."""
    loader = _Loader(directory, environ)
    gateway = loader.gateway()
    read = loader.read(gateway.files if gateway is not None else gateway_file.Files())
    loader.reader.finish()
    # Nothing is missing without a problem.
    assert gateway is not None  # noqa: S101
    assert read.policy is not None  # noqa: S101
    return directory / gateway.state_dir, read.bundle(read.policy, ())


def load_admin(directory: Path, environ: Mapping[str, str]) -> tuple[Listen, Secret]:
    """Where the admin port is, and its credential; raises Problems. For whoever asks a gateway that runs."""
    loader = _Loader(directory, environ)
    gateway = loader.gateway()
    secret = loader.secrets.token(gateway.admin.token) if gateway is not None else Secret("")
    loader.reader.finish()
    assert gateway is not None  # noqa: S101 -- nothing is missing without a problem
    return gateway.admin.listen, secret


def load_root(directory: Path, environ: Mapping[str, str]) -> tuple[Path, Keyring]:
    """Where the state of the gateway in `directory` is, and its keys, whatever else is wrong there; raises Problems."""
    loader = _Loader(directory, environ)
    gateway = loader.gateway()
    secret = loader.secrets.root(gateway.root_secret) if gateway is not None else Secret("")
    loader.reader.finish()
    assert gateway is not None  # noqa: S101 -- nothing is missing without a problem
    return directory / gateway.state_dir, Keyring.from_text(secret.reveal())


def load_names(directory: Path, environ: Mapping[str, str]) -> gateway_file.Files:
    """What the other files are called; the usual names where gateway.yaml does not say it, and never a problem."""
    loader = _Loader(directory, environ)
    gateway = loader.gateway()
    return gateway.files if gateway is not None else gateway_file.Files()


def load_state_dir(directory: Path, environ: Mapping[str, str]) -> Path:
    """Where the gateway of `directory` keeps what it knows; raises Problems."""
    loader = _Loader(directory, environ)
    gateway = loader.gateway()
    loader.reader.finish()
    assert gateway is not None  # noqa: S101 -- nothing is missing without a problem
    return directory / gateway.state_dir


def load_keys(directory: Path, environ: Mapping[str, str]) -> tuple[Path, tuple[KeyRecord, ...]]:
    """Where keys.yaml is, and what is in it; raises Problems. For whoever edits it."""
    loader = _Loader(directory, environ)
    gateway = loader.gateway()
    name = gateway.files.keys if gateway is not None else gateway_file.Files().keys
    keys = loader.keys(name, None)
    loader.reader.finish()
    return directory / name, keys


def read_registry(document: Document, reader: Reader) -> Registry:
    """What recognizers.yaml amounts to; what is wrong is reported to `reader`."""
    own = Reader(document.problems)
    found = registry.build(recognizers_file.read(document.root, own), own)
    reader.problems += own.problems
    return found


@dataclass(frozen=True, slots=True)
class _Read:
    """What policy, pools and tenants say. `policy` is None if one of them cannot be used."""

    policy: CompiledPolicy | None
    pools: PoolsFile
    tenants: TenantsFile
    are_tenants_good: bool
    pools_digest: str
    tenants_digest: str
    own: Registry

    def bundle(self, policy: CompiledPolicy, keys: Sequence[KeyRecord]) -> Bundle:
        return Bundle(
            policy=policy,
            topology=self.pools.topology,
            tenants=self.tenants.tenants,
            keys=tuple(StoredKey.of(key) for key in keys),
            pools_digest=self.pools_digest,
            tenants_digest=self.tenants_digest,
            recognizers=self.own.recognizers,
            recognizers_version=self.own.version,
            models_digest=ner_models.digest_for({*policy.labels.required, *self.tenants.tiers}),
            prices=self.tenants.prices,
            budget=self.tenants.budget,
        )


class _Loader:
    def __init__(self, directory: Path, environ: Mapping[str, str], bundle: str = "") -> None:
        self._directory = directory
        self._environ = environ
        self._bundle = bundle
        self._shelf: Path | None = None
        self.reader = Reader()
        self.secrets = SecretFiles(directory, environ, self.reader)

    def settings(self) -> Settings:
        gateway = self.gateway()
        files = gateway.files if gateway is not None else gateway_file.Files()
        if self._bundle and gateway is not None:
            self._shelf = bundle_shelf.folder_of(self._directory / gateway.state_dir, self._bundle)
        read = self.read(files)
        keys = self.keys(files.keys, read.tenants.tenants if read.are_tenants_good else None)
        secrets = self._secrets(gateway, read.pools)
        aws_keys = {pool: self._aws_keys(sources) for pool, sources in read.pools.aws_keys.items()}
        metrics_secret = self._metrics_secret(gateway, secrets[1])
        tls = self._tls(gateway)
        if gateway is not None:
            tenants = read.tenants.tenants if read.are_tenants_good else None
            credentials_check(self.reader, gateway, self._directory, tenants)
        stores = self._stores(gateway)
        if gateway is not None and read.policy is not None:
            cache_block.check(self.reader, gateway.cache, read.policy.order)
            takes_any = read.policy.any_alias is not None
            canary_block.check(self.reader, gateway.canary, read.policy.aliases, takes_any=takes_any)
        self.reader.finish()
        # Nothing is missing without a problem, and `finish` has raised those.
        assert gateway is not None  # noqa: S101
        assert read.policy is not None  # noqa: S101
        root_secret, admin_secret, credentials = secrets
        return Settings(
            directory=self._directory,
            gateway=gateway,
            bundle=read.bundle(read.policy, keys),
            state_dir=self._directory / gateway.state_dir,
            root_secret=root_secret,
            admin_secret=admin_secret,
            credentials=credentials,
            tls=tls,
            aws_keys=MappingProxyType(aws_keys),
            metrics_secret=metrics_secret,
            stores=stores,
        )

    def read(self, files: gateway_file.Files) -> "_Read":
        """The three files that requests are decided by, as far as they can be read."""
        policy_document = self._kept(files.policy, bundle_shelf.POLICY, end_marker=True)
        pools_document = self._kept(files.pools, bundle_shelf.POOLS)
        tenants_document = self._kept(files.tenants, bundle_shelf.TENANTS)
        policy_reader, pools_reader, tenants_reader = (
            Reader(document.problems) for document in (policy_document, pools_document, tenants_document)
        )
        policy = form.read(policy_document, policy_reader)
        frame = policy_compile.frame(policy, policy_reader)
        zones = frame.zones if frame.order is not None else None
        pools = self._absolute(pools_file.read(pools_document.root, pools_reader, frame.order, zones), pools_reader)
        # A pool or a class that could not be read is no reason to call another file's mention of it a mistake.
        topology = pools.topology if not pools_reader.problems else None
        aliases = [alias.name.text for alias in policy.aliases] if not policy_reader.problems else None
        tenants = tenants_file.read(
            tenants_document.root, tenants_reader, frame.order, frame.ceiling, frame.default, topology, aliases
        )
        classes = tenants.class_ceilings if not tenants_reader.problems else None
        own = self._recognizers(files.recognizers)
        compiled = policy_compile.compile_policy(policy, frame, policy_reader, topology, classes, own.entities)
        if any(pool.sagemaker is not None for pool in pools.topology.pools) and find_spec("botocore") is None:
            message = "A pool with `backend: sagemaker` needs the package `botocore`."
            pools_reader.report(pools_document.root.at, message, "Run `pip install 'tidegate[cloud]'`.")
        if not ner_models.are_installed():
            if policy.models_at is not None:
                policy_reader.report(policy.models_at, "The tier `ner` needs models, which are not installed.", INSTALL)
            for at in tenants.full_scans.values():
                tenants_reader.report(at, "A full scan needs models, which are not installed.", INSTALL)
        for reader in (policy_reader, pools_reader, tenants_reader):
            self.reader.problems += reader.problems
        digests = _digest(pools_document), _digest(tenants_document)
        return _Read(compiled, pools, tenants, classes is not None, *digests, own)

    def gateway(self) -> GatewayFile | None:
        document = self._document(GATEWAY_FILE)
        self.reader.problems += document.problems
        return gateway_file.read(document.root, self.reader, self._environ)

    def keys(self, name: str, tenants: Mapping[str, Tenant] | None) -> tuple[KeyRecord, ...]:
        """The keys; a file that is not there holds none."""
        if not (self._directory / name).exists():
            return ()
        document = self._document(name)
        self.reader.problems += document.problems
        return keys_file.read(document.root, self.reader, tenants)

    def _recognizers(self, name: str | None) -> Registry:
        """The customer's recognizers; there are none where no file was named and the usual one is not there."""
        if self._shelf is not None:
            if not (self._shelf / bundle_shelf.RECOGNIZERS).exists():
                return Registry()
        elif name is None and not (self._directory / RECOGNIZERS_FILE).exists():
            return Registry()
        return read_registry(self._kept(name or RECOGNIZERS_FILE, bundle_shelf.RECOGNIZERS), self.reader)

    def _kept(self, name: str, kept_as: str, *, end_marker: bool = False) -> Document:
        """One of a bundle's files: as it is, or as it was when the bundle was proved."""
        if self._shelf is not None:
            return self._document(str(self._shelf / kept_as), end_marker=end_marker)
        return self._document(name, end_marker=end_marker)

    def _document(self, name: str, *, end_marker: bool = False) -> Document:
        path = self._directory / name
        place = Place(str(path))
        try:
            data = _read(path, written.LARGEST_FILE)
        except FileNotFoundError:
            return Document(Unreadable(place), (place.problem("The file does not exist.", "Create it."),))
        except OSError as error:
            return Document(Unreadable(place), (place.problem(f"The file cannot be read ({_name(error)})."),))
        return written.parse(data, str(path), end_marker=end_marker)

    def _absolute(self, pools: PoolsFile, reader: Reader) -> PoolsFile:
        """`pools` with the places of their certificates from the root of the file system."""
        for file in (*pools.ca_files.values(), *(client.chain for client in pools.client_files.values())):
            if not (self._directory / file.text).is_file():
                reader.report(file.at, "This file does not exist.", "Correct the path; it starts at this folder.")
        found = tuple(
            replace(pool, ca_file=self._path(pool.ca_file), certificate=self._certificate(pool.certificate))
            for pool in pools.topology.pools
        )
        return replace(pools, topology=replace(pools.topology, pools=found))

    def _path(self, written: str | None) -> str | None:
        return str((self._directory / written).absolute()) if written is not None else None

    def _certificate(self, written: ClientCertificate | None) -> ClientCertificate | None:
        if written is None:
            return None
        directory = self._directory.absolute()
        return ClientCertificate(str(directory / written.chain), str(directory / written.key))

    # Secrets

    def _secrets(self, gateway: GatewayFile | None, pools: PoolsFile) -> tuple[Secret, Secret, Mapping[str, Secret]]:
        root_secret = admin_secret = Secret("")
        if gateway is not None:
            root_secret = self.secrets.root(gateway.root_secret)
            admin_secret = self.secrets.token(gateway.admin.token)
        for client in pools.client_files.values():
            self.secrets.text_of(client.key)
        credentials = {pool: self.secrets.one_line(source) for pool, source in pools.credentials.items()}
        return root_secret, admin_secret, MappingProxyType(credentials)

    def _metrics_secret(self, gateway: GatewayFile | None, admin_secret: Secret) -> Secret | None:
        source = gateway.admin.metrics_token if gateway is not None else None
        if source is None:
            return None
        secret = self.secrets.token(source)
        if secret.reveal() and secret.reveal() == admin_secret.reveal():
            self.reader.report(source.at, "The metrics token must not be the admin token.", MAKE_ONE)
        return secret

    def _aws_keys(self, sources: AwsKeySources) -> AwsKeys:
        token = self.secrets.one_line(sources.session_token) if sources.session_token is not None else None
        return AwsKeys(self.secrets.one_line(sources.access_key), self.secrets.one_line(sources.secret_key), token)

    def _stores(self, gateway: GatewayFile | None) -> StoreSettings:
        if gateway is None:
            return StoreSettings()
        state, cache = (
            self._store(block) if block is not None else None for block in (gateway.stores.state, gateway.stores.cache)
        )
        return StoreSettings(state, cache)

    def _store(self, block: StoreBlock) -> RedisSettings:
        tls = self._store_tls(block.tls) if block.tls is not None else None
        return settings_of(block, lambda source: self.secrets.one_line(source).reveal(), tls)

    def _store_tls(self, block: TlsBlock) -> StoreTls:
        directory, client = self._directory.absolute(), block.client
        for file in (block.ca, client.chain if client is not None else None):
            if file is not None and not (directory / file.text).is_file():
                self.reader.report(file.at, "This file does not exist.", "Correct the path; it starts at this folder.")
        if client is not None:
            self.secrets.text_of(client.key)
        return StoreTls(
            directory / block.ca.text if block.ca is not None else None,
            (directory / client.chain.text, directory / client.key.path) if client is not None else None,
        )

    def _tls(self, gateway: GatewayFile | None) -> tuple[Path, Path] | None:
        files = gateway.tls if gateway is not None else None
        if files is None:
            return None
        certificate = self._directory / files.certificate.path
        if not certificate.is_file():
            self.reader.report(files.certificate.at, "This file does not exist.", "Correct the path.")
        self.secrets.text_of(files.key)
        return certificate.absolute(), (self._directory / files.key.path).absolute()


def _read(path: Path, largest: int) -> bytes:
    with path.open("rb") as file:
        return file.read(largest + 1)


def _name(error: OSError) -> str:
    return type(error).__name__


def _digest(document: Document) -> str:
    return hashlib.sha256(written.exact(document.root).encode()).hexdigest()
