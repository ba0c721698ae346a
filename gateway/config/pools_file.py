"""pools.yaml: pools, their endpoints, zones, clearances and the limits of what serves them.

Checked against the policy's labels and zones: a literal address outside its zone's networks, or plain HTTP into a
zone that asks for TLS, does not load. Names are checked when connecting, since only then is it known what they mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from gateway.config import connection_block, endpoint_block, overflow_block, sagemaker_block
from gateway.config.addresses import endpoint, is_literal
from gateway.config.connection_block import ClientFiles
from gateway.config.sagemaker_block import AwsKeySources
from gateway.config.secret_source import SecretSource, secret_source
from gateway.core.facts import Capability
from gateway.core.labels import LabelOrder
from gateway.core.reading import Fields, Reader, Word, shown
from gateway.core.topology import (
    ClientCertificate,
    Endpoint,
    Pool,
    Proxy,
    SageMakerPlace,
    SageMakerTarget,
    Timeouts,
    Tls,
    Topology,
    Zone,
    address_of,
)
from gateway.core.written import Group, Node

NONE: Final = "none"
_LEAVE: Final = "Leave the key out where nobody vouches for it."
BACKENDS: Final = ("vllm", "openai", "embedded", sagemaker_block.BACKEND)


@dataclass(frozen=True, slots=True)
class PoolsFile:
    """The pools, and where the secrets are that they name, by pool. Paths of certificates and keys are as written."""

    topology: Topology
    credentials: Mapping[str, SecretSource]
    ca_files: Mapping[str, Word]
    client_files: Mapping[str, ClientFiles]
    aws_keys: Mapping[str, AwsKeySources]


def read(root: Node, reader: Reader, order: LabelOrder | None, zones: Mapping[str, Zone] | None) -> PoolsFile:
    """The pools that could be read. Without `order` or `zones` what refers to them is not checked."""
    top = reader.fields(root, "The pools file", ("apiVersion", "pools", "burst"), ("apiVersion", "pools"))
    reader.api_version(top)
    found = _Pools(reader, order, zones)
    node = top.get("pools")
    pools = [found.pool(name, value) for name, value in reader.entries(node, "`pools`")]
    if isinstance(node, Group) and not node.entries:
        reader.report(node.at, "`pools` must not be empty.", "Without a pool every request is refused.")
    most = overflow_block.most_in_cloud(reader, top.get("burst"))
    topology = Topology(tuple(pool for pool in pools if pool is not None), most)
    return PoolsFile(
        topology,
        MappingProxyType(found.credentials),
        MappingProxyType(found.ca_files),
        MappingProxyType(found.client_files),
        MappingProxyType(found.aws_keys),
    )


class _Pools:
    def __init__(self, reader: Reader, order: LabelOrder | None, zones: Mapping[str, Zone] | None) -> None:
        self._reader = reader
        self._order = order
        self._zones = zones
        self.credentials: dict[str, SecretSource] = {}
        self.ca_files: dict[str, Word] = {}
        self.client_files: dict[str, ClientFiles] = {}
        self.aws_keys: dict[str, AwsKeySources] = {}

    def pool(self, name: Word, node: Node) -> Pool | None:
        reader, what = self._reader, f"The pool {shown(name.text)}"
        known = (
            "zone", "clearance", "backend", "model", "endpoints", "capabilities", "max_in_flight", "queue",
            "credential", "timeouts", "tls", "sagemaker", "context", "processor", "residency", "agreement",
            "breaker", "balance", "poll", "dns", "reserve_for_home", "spill", "proxy",
            "max_connections",
        )  # fmt: skip
        fields = reader.fields(node, what, known, ("zone", "clearance", "backend", "model"))
        zone_name = reader.name(fields.get("zone"), "`zone`")
        clearance_name = reader.name(fields.get("clearance"), "`clearance`")
        if self._zones is not None:
            reader.reference(zone_name, "The zone", self._zones)
        if self._order is not None:
            reader.reference(clearance_name, "The label", self._order.names)
        backend = reader.one_of(fields.get("backend"), "`backend`", BACKENDS)
        model = reader.text(fields.get("model"), "`model`")
        zone = (self._zones or {}).get(zone_name.text) if zone_name is not None else None
        sagemaker = self._sagemaker(name, what, node, fields, backend, zone)
        proxy = connection_block.proxy(reader, fields.get("proxy"), "`proxy`", zone)
        places: dict[str, SageMakerPlace] = {}
        endpoints = self._endpoints(fields.get("endpoints"), zone, sagemaker, proxy, places)
        if sagemaker is not None and places:
            sagemaker = replace(sagemaker, places=tuple(places.items()))
        dns = self._dns(what, node, fields, zone)
        if backend == sagemaker_block.BACKEND:
            self._refuse_for_sagemaker(fields)
        capabilities = frozenset(
            Capability(word.text)
            for word in reader.names(fields.get("capabilities"), "`capabilities`", least=0)
            if reader.reference(word, "The capability", tuple(Capability)) is not None
        )
        max_in_flight = reader.integer(fields.get("max_in_flight"), "`max_in_flight`", least=1, most=100_000)
        limit = max_in_flight if max_in_flight is not None else 64
        reserved = overflow_block.reserved(reader, fields.get("reserve_for_home"), limit, zone)
        spill = overflow_block.spill(reader, fields.get("spill"), self._order)
        queue = reader.integer(fields.get("queue"), "`queue`", least=0, most=1_000_000)
        context = reader.tokens(fields.get("context"), "`context`")
        processor, residency, agreement = (
            self._attribute(fields, key) for key in ("processor", "residency", "agreement")
        )
        timeouts = self._timeouts(fields.get("timeouts"), zone)
        credential = secret_source(reader, fields.get("credential"), "The credential")
        if credential is not None:
            self.credentials[name.text] = credential
        max_connections = reader.integer(fields.get("max_connections"), "`max_connections`", least=1, most=100_000)
        tls = connection_block.tls(reader, fields.get("tls"))
        if tls.ca is not None:
            self.ca_files[name.text] = tls.ca
        if tls.client is not None:
            self.client_files[name.text] = tls.client
        if zone_name is None or clearance_name is None or backend is None or model is None:
            return None
        if self._order is None or clearance_name.text not in self._order.names or zone is None:
            return None
        return Pool(
            name=name.text,
            zone=zone_name.text,
            clearance=self._order.rank(clearance_name.text),
            backend=backend,
            model=model.text,
            endpoints=endpoints,
            max_in_flight=limit,
            max_queued=queue if queue is not None else 256,
            timeouts=timeouts,
            capabilities=capabilities,
            credential=name.text if credential is not None else None,
            ca_file=tls.ca.text if tls.ca is not None else None,
            sagemaker=sagemaker,
            context_tokens=context,
            processor=processor,
            residency=residency,
            agreement=agreement,
            breaker=endpoint_block.breaker(reader, fields.get("breaker")),
            balance=endpoint_block.balance(reader, fields.get("balance")),
            polling=endpoint_block.polling(reader, fields.get("poll"), backend),
            dns=dns,
            reserved=reserved,
            spill=spill,
            proxy=proxy,
            certificate=ClientCertificate(tls.client.chain.text, tls.client.key.path) if tls.client else None,
            max_connections=max_connections,
        )

    def _attribute(self, fields: Fields, key: str) -> str | None:
        word = self._reader.name(fields.get(key), f"`{key}`")
        if word is not None and word.text == NONE:
            self._reader.report(
                word.at, f"`{key}` cannot have this name: policies mean by it that there is none.", _LEAVE
            )
            return None
        return word.text if word is not None else None

    def _sagemaker(
        self, name: Word, what: str, node: Node, pool: Fields, backend: str | None, zone: Zone | None
    ) -> SageMakerTarget | None:
        written = pool.get("sagemaker")
        if backend is not None and (written is None) == (backend == sagemaker_block.BACKEND):
            if written is None:
                self._reader.report(node.at, f"{what} lacks the key `sagemaker`.", "Add it, with its `region`.")
            else:
                message = f"{what} has a `sagemaker` block and the backend {shown(backend)}."
                self._reader.report(written.at, message, "Remove one of them.")
        block = sagemaker_block.read_block(written, self._reader, zone) if written is not None else None
        if block is None or backend != sagemaker_block.BACKEND:
            return None
        if block.keys is not None:
            self.aws_keys[name.text] = block.keys
        sagemaker_block.check_pool(self._reader, block.target, pool, zone)
        return block.target

    def _dns(self, what: str, node: Node, fields: Fields, zone: Zone | None) -> Endpoint | None:
        """The name that stands for all endpoints, where a pool has one instead of a list."""
        written, listed = fields.get("dns"), fields.get("endpoints")
        if written is None and listed is None:
            self._reader.report(node.at, f"{what} lacks the key `endpoints`.", "Add it, or `dns` with a name and port.")
        elif written is not None and listed is not None:
            self._reader.report(written.at, f"{what} has both `endpoints` and `dns`.", "Remove one of them.")
        if written is not None and fields.get("proxy") is not None:
            message = "A pool with a `proxy` has no `dns`: it is the proxy that looks names up."
            self._reader.report(written.at, message, "List the servers under `endpoints`.")
        found = endpoint_block.dns(self._reader, written)
        if found is None:
            return None
        word, endpoint = found
        if zone is not None:
            self._check_zone(word, endpoint, zone)
        return endpoint

    def _refuse_for_sagemaker(self, fields: Fields) -> None:
        # Its endpoints are AWS's to look after: they have names of their own and no pages.
        for key, mend in (("dns", "Remove it."), ("poll", "Remove it."), ("proxy", "Write `sagemaker.proxy`.")):
            node = fields.get(key)
            if node is not None and not endpoint_block.is_none(node):
                self._reader.report(node.at, f"A SageMaker pool has no `{key}`.", mend)

    def _endpoints(
        self,
        node: Node | None,
        zone: Zone | None,
        sagemaker: SageMakerTarget | None,
        proxy: Proxy | None,
        places: dict[str, SageMakerPlace],
    ) -> tuple[Endpoint, ...]:
        found: dict[str, Endpoint] = {}
        known = ("name", "url", *(sagemaker_block.OF_ENDPOINT if sagemaker is not None else ()))
        for item in self._reader.items(node, "`endpoints`"):
            named = (
                self._reader.fields(item, "An endpoint", known, ("name", "url")) if isinstance(item, Group) else None
            )
            name = self._reader.name(named.get("name"), "`name`") if named is not None else None
            word = self._reader.text(named.get("url") if named is not None else item, "An endpoint")
            address = endpoint(self._reader, word, name.text if name is not None else None)
            if address is None or word is None:
                continue
            if zone is not None:
                self._check_zone(word, address, zone)
            if sagemaker is not None:
                sagemaker_block.check_endpoint(self._reader, sagemaker, word, address)
                place = sagemaker_block.place_of(self._reader, sagemaker, address, named, zone)
                if place is not None:
                    places.setdefault(address.name, place)
            if proxy is not None:
                connection_block.check_behind_proxy(self._reader, word, address, zone)
            if address.name in found:
                self._reader.report(item.at, "An endpoint with this name stands here twice.", "Keep one of them.")
            found.setdefault(address.name, address)
        return tuple(found.values())

    def _check_zone(self, word: Word, address: Endpoint, zone: Zone) -> None:
        reader = self._reader
        if address.unix is not None:
            if not zone.unix:
                message = f"The zone `{zone.name}` holds no Unix sockets."
                reader.report(word.at, message, "Add `unix` to its networks in the policy, or use an address.")
        elif zone.tls is Tls.REQUIRED and not address.is_tls:
            reader.report(word.at, f"The zone `{zone.name}` requires TLS.", "Write `https://`.")
        elif is_literal(address.host) and not zone.holds(address_of(address.host)):
            message = f"This address lies outside the networks of the zone `{zone.name}`."
            reader.report(word.at, message, "Correct the address, or let the policy's owner extend the zone.")

    def _timeouts(self, node: Node | None, zone: Zone | None) -> Timeouts:
        reader = self._reader
        # The cloud is farther away.
        usual = Timeouts(connect_s=3.0) if zone is not None and zone.is_cloud else Timeouts()
        fields = reader.fields(node, "`timeouts`", ("connect", "first_content", "idle", "total"))
        # Below the 30 s for which a clearance is good: it is made before the connection.
        connect = reader.duration(fields.get("connect"), "`timeouts.connect`", least=0.01, most=25.0)
        first = reader.duration(fields.get("first_content"), "`timeouts.first_content`", least=0.1, most=3600.0)
        idle = reader.duration(fields.get("idle"), "`timeouts.idle`", least=0.1, most=3600.0)
        total = reader.duration(fields.get("total"), "`timeouts.total`", least=1.0, most=7200.0)
        return Timeouts(
            connect_s=connect if connect is not None else usual.connect_s,
            first_content_s=first if first is not None else usual.first_content_s,
            idle_s=idle if idle is not None else usual.idle_s,
            total_s=total if total is not None else usual.total_s,
        )
