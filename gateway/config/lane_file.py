"""sagemaker.yaml: the endpoint that `tidegate sagemaker` deploys, as a person writes it.

Refused here is whatever AWS would refuse only after minutes, as far as its own rules for names and bounds say so.
Credentials have no place in the file: they come from where AWS's own programs look.
"""

import re
from typing import Final

from gateway.config.lane_blocks import access, cost, network, rollout, scaling
from gateway.core.deployment import Lane, Needs, Routing
from gateway.core.reading import Fields, Reader
from gateway.core.written import Group, Node, Scalar

_USUAL: Final = Lane("", "", "", "", "", "")
_REQUIRED: Final = ("apiVersion", "name", "region", "package", "bucket", "image", "instance")
_KNOWN: Final = (
    *_REQUIRED,
    *("account", "prefix", "role", "environment", "tags", "scaling", "needs", "network", "update", "routing"),
    *("encryption", "start_within", "cost", "access"),
)

# SageMaker allows 63 characters; eleven are for the digest that tells one version from the next, twelve for suffixes.
_NAME: Final = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,39}")
_REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,10}){1,3}-[0-9]{1,2}")
_ACCOUNT: Final = re.compile("[0-9]{12}")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+){0,7}")
_IMAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}")
_INSTANCE: Final = re.compile(r"ml\.[a-z0-9-]{1,16}\.[0-9a-z]{1,12}")
_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,512}")
_KEY: Final = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(?:key|alias)/[A-Za-z0-9/_-]{1,250}")
_VARIABLE: Final = re.compile("[A-Za-z_][A-Za-z0-9_]{0,127}")
_TAG: Final = re.compile(r"[\w .:/=+@-]{1,128}")
_MOST_VARIABLES: Final = 50
_MOST_TAGS: Final = 40
# Their volumes are disks of their own, encrypted by the hardware; SageMaker refuses a key for them.
_OWN_DISK: Final = re.compile(r"ml\.(?:g[4-9][a-z]*|p[4-9][a-z0-9-]*|trn[0-9][a-z]*|[cmr][0-9]+[a-z]*d[a-z]*)\..+")
_OUR_TAGS: Final = "tidegate"
_GIB: Final = 1 << 30


def read(root: Node, reader: Reader) -> Lane | None:
    """The file's meaning; None if it cannot have one. Problems are reported."""
    fields = reader.fields(root, "The file", _KNOWN, _REQUIRED)
    reader.api_version(fields)
    name = _shaped(reader, fields, "name", _NAME, "Letters, digits and single `-`, at most 40 of them.")
    region = _shaped(reader, fields, "region", _REGION, "Write it like `eu-central-1`.")
    package = reader.text(fields.get("package"), "`package`")
    bucket = _shaped(reader, fields, "bucket", _BUCKET, "Write the bucket's name, without `s3://`.")
    image = _shaped(reader, fields, "image", _IMAGE, "Write `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG`.")
    instance = _shaped(reader, fields, "instance", _INSTANCE, "Write it like `ml.g5.xlarge`.")
    volume_key, bucket_key, weights_key = _keys(reader, fields.get("encryption"))
    prefix = _shaped(reader, fields, "prefix", _PREFIX, "Write a folder like `models/tidegate`.")
    start = reader.duration(fields.get("start_within"), "`start_within`", least=60, most=3600)
    routing = reader.one_of(fields.get("routing"), "`routing`", tuple(Routing))
    bounds = scaling(reader, fields.get("scaling"))
    needs = _needs(reader, fields.get("needs"))
    if bounds.to_zero and needs is None and "needs" not in fields:
        at = fields.get("scaling") or root
        reader.report(at.at, "`least: 0` goes by an inference component, which must know what a copy takes.", _NEEDS)
    lane = Lane(
        name=name or "",
        region=region or "",
        package=package.text if package is not None else "",
        bucket=bucket or "",
        image=image or "",
        instance=instance or "",
        account=_shaped(reader, fields, "account", _ACCOUNT, "Twelve digits, in quotation marks."),
        prefix=prefix or _USUAL.prefix,
        role=_shaped(reader, fields, "role", _ROLE, "Write the role's ARN, or leave the key out to have one made."),
        environment=_pairs(reader, fields.get("environment"), "`environment`", _VARIABLE, 1024, _MOST_VARIABLES),
        tags=_tags(reader, fields.get("tags")),
        scaling=bounds,
        needs=needs,
        network=network(reader, fields.get("network")),
        rollout=rollout(reader, fields.get("update")),
        routing=Routing(routing) if routing is not None else _USUAL.routing,
        volume_key=volume_key,
        bucket_key=bucket_key,
        weights_key=weights_key,
        start_within_s=int(start) if start is not None else _USUAL.start_within_s,
        cost=cost(reader, fields.get("cost")),
        access=access(reader, fields.get("access")),
    )
    _check_role(reader, fields, lane)
    if lane.volume_key is not None and _OWN_DISK.fullmatch(lane.instance):
        at = fields.get("encryption") or root
        message = "This kind of instance has disks of its own, which the hardware encrypts: `volumes` has no place."
        reader.report(at.at, message, "Remove `encryption.volumes`, or choose another instance.")
    if lane.weights_key is not None:
        _check_weights(reader, fields.get("encryption") or root, lane)
    return lane if all((lane.name, lane.region, lane.package, lane.bucket, lane.image, lane.instance)) else None


_NEEDS: Final = "Add `needs: {memory: 8GiB, accelerators: 1}`."


def _check_role(reader: Reader, fields: Fields, lane: Lane) -> None:
    node = fields.get("role")
    if node is not None and lane.role is not None and lane.account is not None and f":{lane.account}:" not in lane.role:
        reader.report(node.at, "`role` is of another account than `account`.", "SageMaker takes no role of another.")


def _check_weights(reader: Reader, node: Node, lane: Lane) -> None:
    if lane.network.is_isolated:
        message = "The container asks KMS for the key of its weights, and an isolated one reaches nothing."
        reader.report(node.at, message, "Write `network: {isolated: false}`, or remove `encryption.weights`.")
    if lane.region and f":kms:{lane.region}:" not in (lane.weights_key or ""):
        reader.report(node.at, "`encryption.weights` is a key of another region.", "Name one of the lane's region.")


def _shaped(reader: Reader, fields: Fields, key: str, shape: re.Pattern[str], mend: str) -> str | None:
    word = reader.text(fields.get(key), f"`{key}`")
    if word is None or shape.fullmatch(word.text):
        return word.text if word is not None else None
    reader.report(word.at, f"`{key}` is not what AWS takes here.", mend)
    return None


def _keys(reader: Reader, node: Node | None) -> tuple[str | None, str | None, str | None]:
    fields = reader.fields(node, "`encryption`", ("volumes", "bucket", "weights"))
    mend = "Write the key's ARN, `arn:aws:kms:REGION:ACCOUNT:key/ID`."
    volumes, bucket = (_shaped(reader, fields, key, _KEY, mend) for key in ("volumes", "bucket"))
    return volumes, bucket, _shaped(reader, fields, "weights", _KEY, mend)


def _needs(reader: Reader, node: Node | None) -> Needs | None:
    fields = reader.fields(node, "`needs`", ("memory", "accelerators"), ("memory",))
    memory = reader.size(fields.get("memory"), "`needs.memory`", least=128 << 20, most=4096 * _GIB)
    accelerators = reader.integer(fields.get("accelerators"), "`needs.accelerators`", least=0, most=64)
    return Needs(memory >> 20, accelerators or 0) if memory is not None else None


def _tags(reader: Reader, node: Node | None) -> tuple[tuple[str, str], ...]:
    pairs = _pairs(reader, node, "`tags`", _TAG, 256, _MOST_TAGS)
    for key, _ in pairs:
        if node is not None and key.lower().startswith((_OUR_TAGS, "aws:")):
            reader.report(node.at, "Tags that begin with `tidegate` or `aws:` are not yours to set.", "Rename it.")
    return pairs


def _pairs(
    reader: Reader, node: Node | None, what: str, shape: re.Pattern[str], longest: int, most: int
) -> tuple[tuple[str, str], ...]:
    """Names that the writer chose, each with a text. Their order does not matter, so they are sorted."""
    if node is None:
        return ()
    if not isinstance(node, Group):
        reader.report(node.at, f"{what} must be a group of names, each with a text.", "Write `NAME: text`.")
        return ()
    if len(node.entries) > most:
        reader.report(node.at, f"{what} holds more than {most} names.", "AWS takes no more.")
    found = []
    for key, value in node.entries:
        text = value.text if isinstance(value, Scalar) else None
        if not shape.fullmatch(key.text):
            reader.report(key.at, f"A name in {what} has characters that it must not have.", "Rename it.")
        elif text is None or len(text) > longest:
            reader.report(value.at, f"A value in {what} must be a text of at most {longest} characters.")
        else:
            found.append((key.text, text))
    return tuple(sorted(found))
