"""The `sagemaker` block of a pool in pools.yaml: how SageMaker endpoints are called, with which keys, through what.

Read beside the pool's own keys, since some of them mean something else here: the zone must be a cloud zone, an
endpoint's path names the endpoint, and a bearer `credential` has no place because tokens are made from AWS keys.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from gateway.config import connection_block
from gateway.config.addresses import origin
from gateway.config.prices_block import amount
from gateway.config.secret_source import SecretSource, secret_source
from gateway.core.cold_start import LONGEST_S, SHORTEST_S
from gateway.core.reading import Fields, Reader, Word
from gateway.core.topology import (
    DataCapture,
    Endpoint,
    Invoke,
    Payload,
    PrefixId,
    SageMakerPlace,
    SageMakerTarget,
    Tls,
    Zone,
)
from gateway.core.warm_up import WarmRules
from gateway.core.written import Listing, Node

BACKEND: Final = "sagemaker"
OF_ENDPOINT: Final = ("region", "control", "inference_component")
"""What may be written of a single endpoint besides its name and address."""

_ENDPOINT_PATH: Final = re.compile(r"/endpoints/[A-Za-z0-9](?:-*[A-Za-z0-9]){0,62}")
_COMPONENT: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_HOST: Final = re.compile(r"(?:.+\.)?runtime\.sagemaker(?:-fips)?\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?")
_REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,10}){1,3}-[0-9]{1,2}")
_USUAL: Final = SageMakerTarget("")


@dataclass(frozen=True, slots=True)
class AwsKeySources:
    """Where a pool's AWS keys are. `session_token` belongs to temporary ones."""

    access_key: SecretSource
    secret_key: SecretSource
    session_token: SecretSource | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """What the block says."""

    target: SageMakerTarget
    keys: AwsKeySources | None


def read_block(node: Node, reader: Reader, zone: Zone | None) -> Block | None:
    """The block's meaning; None if it cannot have one."""
    known = (
        *("region", "invoke", "payload", "data_capture", "check_every", "credentials", "proxy", "control"),
        *("inference_component", "cold_start", "prefix_id", "warm"),
    )
    fields = reader.fields(node, "`sagemaker`", known, ("region",))
    region = reader.text(fields.get("region"), "`sagemaker.region`")
    if region is not None and not _REGION.fullmatch(region.text):
        reader.report(region.at, "`sagemaker.region` is not the name of a region.", "Write it like `eu-central-1`.")
    invoke = reader.one_of(fields.get("invoke"), "`sagemaker.invoke`", tuple(Invoke))
    payload = reader.one_of(fields.get("payload"), "`sagemaker.payload`", tuple(Payload))
    capture = reader.one_of(fields.get("data_capture"), "`sagemaker.data_capture`", tuple(DataCapture))
    every = reader.duration(fields.get("check_every"), "`sagemaker.check_every`", least=1.0, most=3600.0)
    start = reader.duration(fields.get("cold_start"), "`sagemaker.cold_start`", least=SHORTEST_S, most=LONGEST_S)
    prefix = reader.one_of(fields.get("prefix_id"), "`sagemaker.prefix_id`", tuple(PrefixId))
    keys = _keys(reader, fields.get("credentials"))
    target = SageMakerTarget(
        region=region.text if region is not None else "",
        invoke=Invoke(invoke) if invoke is not None else _USUAL.invoke,
        payload=Payload(payload) if payload is not None else _USUAL.payload,
        data_capture=DataCapture(capture) if capture is not None else _USUAL.data_capture,
        check_every_s=every if every is not None else _USUAL.check_every_s,
        has_keys=keys is not None,
        proxy=connection_block.proxy(reader, fields.get("proxy"), "`sagemaker.proxy`", zone),
        control=_control(reader, fields.get("control"), zone, "`sagemaker.control`"),
        inference_component=_component(reader, fields.get("inference_component"), "`sagemaker.inference_component`"),
        cold_start_s=start if start is not None else _USUAL.cold_start_s,
        prefix_id=PrefixId(prefix) if prefix is not None else _USUAL.prefix_id,
    )
    target = replace(target, warm=_warm(reader, fields.get("warm"), target, zone))
    asked = fields.get("payload")
    if asked is not None and target.payload is Payload.HUGGINGFACE and target.invoke is not Invoke.INVOCATIONS:
        reader.report(asked.at, "`payload: huggingface` goes with `invoke: invocations` only.", "Set `invoke`.")
    return Block(target, keys) if region is not None else None


def _warm(reader: Reader, node: Node | None, target: SageMakerTarget, zone: Zone | None) -> WarmRules | None:
    """`warm: {per_hour: 1.41, count: 1, hold: 30m, variant: all}`."""
    if node is None:
        return None
    fields = reader.fields(node, "`sagemaker.warm`", ("per_hour", "count", "hold", "variant", "control"), ("per_hour",))
    usual = WarmRules(0)
    micros = amount(reader, fields.get("per_hour"), "`warm.per_hour`")
    count = reader.integer(fields.get("count"), "`warm.count`", least=1, most=1000)
    hold = reader.duration(fields.get("hold"), "`warm.hold`", least=300.0, most=86_400.0)
    variant = reader.text(fields.get("variant"), "`warm.variant`")
    if variant is not None and not _COMPONENT.fullmatch(variant.text):
        reader.report(variant.at, "`warm.variant` is not what SageMaker calls one.", "It is `all` where we deployed.")
    rules = WarmRules(
        micros_per_hour=micros or 0,
        count=count if count is not None else usual.count,
        hold_s=hold if hold is not None else usual.hold_s,
        variant=variant.text if variant is not None else usual.variant,
        control=_control(reader, fields.get("control"), zone, "`warm.control`"),
    )
    if rules.hold_s < target.cold_start_s:
        message = "`warm.hold` is over before a start is: nothing would ever be ready."
        reader.report(node.at, message, "Make it longer than `cold_start`.")
    return rules if micros is not None else None


def check_pool(reader: Reader, target: SageMakerTarget, pool: Fields, zone: Zone | None) -> None:
    """Report what of the pool's own keys does not go with SageMaker."""
    at = pool.get("zone")
    if at is not None and zone is not None and not zone.is_cloud:
        message = f"SageMaker is no part of the zone `{zone.name}`: what goes there has left the building."
        reader.report(at.at, message, "Put the pool into a cloud zone.")
    credential = pool.get("credential")
    if credential is not None:
        mend = "Write `sagemaker.credentials`, or nothing to use what the machine itself has."
        reader.report(credential.at, "A SageMaker pool has AWS keys and no `credential`.", mend)
    capabilities = pool.get("capabilities")
    if target.payload is Payload.HUGGINGFACE and isinstance(capabilities, Listing) and capabilities.items:
        # Its form has no place for tools, schemas, pictures or embeddings.
        reader.report(capabilities.at, "`payload: huggingface` carries no capabilities.", "Remove them.")


def place_of(
    reader: Reader, target: SageMakerTarget, address: Endpoint, own: Fields | None, zone: Zone | None
) -> SageMakerPlace | None:
    """Where an endpoint is, if not all of the pool's block holds for it: its host says the region, or it does itself.

    `own` is what is written of it besides its name and address.
    """
    host = _HOST.fullmatch(address.host)
    region_at, control_at, component_at = (own.get(key) if own is not None else None for key in OF_ENDPOINT)
    word = reader.text(region_at, "`region`")
    if word is not None and not _REGION.fullmatch(word.text):
        reader.report(word.at, "`region` is not the name of a region.", "Write it like `eu-central-1`.")
    elif word is not None and host is not None and host[1] != word.text:
        reader.report(word.at, "`region` is another than the endpoint's host is in.", "Correct one of them.")
    region = word.text if word is not None else host[1] if host is not None else target.region
    # Another region's control plane is not where the pool's is.
    usual = target.control if region == target.region else None
    control = _control(reader, control_at, zone, "`control`")
    component = _component(reader, component_at, "`inference_component`")
    place = SageMakerPlace(region, control or usual, component or target.inference_component)
    return place if place != target.place("") else None


def check_endpoint(reader: Reader, target: SageMakerTarget, word: Word, address: Endpoint) -> None:
    """Report an endpoint that no SageMaker endpoint can be."""
    if not _ENDPOINT_PATH.fullmatch(address.base_path):
        mend = "Write `https://runtime.sagemaker.REGION.amazonaws.com/endpoints/NAME`."
        reader.report(word.at, "The address of a SageMaker endpoint ends in `/endpoints/NAME`.", mend)
    elif target.proxy is not None and not address.is_tls:
        # Behind a proxy only the certificate says who answers.
        reader.report(word.at, "Through a proxy an endpoint is reached with TLS only.", "Write `https://`.")


def _keys(reader: Reader, node: Node | None) -> AwsKeySources | None:
    known = ("access_key", "secret_key", "session_token")
    fields = reader.fields(node, "`sagemaker.credentials`", known, known[:2])
    access, secret, token = (secret_source(reader, fields.get(name), f"`{name}`") for name in known)
    return AwsKeySources(access, secret, token) if access is not None and secret is not None else None


def _component(reader: Reader, node: Node | None, what: str) -> str | None:
    word = reader.text(node, what)
    if word is None or _COMPONENT.fullmatch(word.text):
        return word.text if word is not None else None
    mend = "Letters, digits and `-`, at most 63 of them; `tidegate sagemaker status` names it."
    reader.report(word.at, f"{what} is not what SageMaker calls one.", mend)
    return None


def _control(reader: Reader, node: Node | None, zone: Zone | None, what: str) -> str | None:
    word = reader.text(node, what)
    address = origin(reader, word, what)
    if address is None or word is None:
        return None
    if zone is not None and zone.tls is Tls.REQUIRED and not address.is_tls:
        reader.report(word.at, f"The zone `{zone.name}` requires TLS.", "Write `https://`.")
    return word.text.rstrip("/")
