"""The blocks of sagemaker.yaml: how the fleet scales, where it stands, how it is updated, what it may cost.

Each reader returns what is usual for whatever is left out or wrong; what is wrong is reported.
"""

import re
from dataclasses import replace
from typing import Final

from gateway.config.addresses import origin
from gateway.core.deployment import Access, Cost, Network, Rollout, Scaling, Traffic
from gateway.core.reading import Reader
from gateway.core.written import Node

_SUBNET: Final = re.compile("subnet-[0-9a-z]{1,32}")
_GROUP: Final = re.compile("sg-[0-9a-z]{1,32}")
_MOST_INSTANCES: Final = 1000


def scaling(reader: Reader, node: Node | None) -> Scaling:
    """`scaling`: bounds and rules."""
    usual = Scaling()
    known = ("least", "most", "concurrent", "queries_per_second", "grow_after", "shrink_after")
    fields = reader.fields(node, "`scaling`", known)
    least = reader.integer(fields.get("least"), "`scaling.least`", least=0, most=_MOST_INSTANCES)
    most = reader.integer(fields.get("most"), "`scaling.most`", least=1, most=_MOST_INSTANCES)
    concurrent = reader.integer(fields.get("concurrent"), "`scaling.concurrent`", least=1, most=10_000)
    queries = reader.integer(fields.get("queries_per_second"), "`scaling.queries_per_second`", least=1, most=100_000)
    grow = reader.duration(fields.get("grow_after"), "`scaling.grow_after`", least=0, most=3600)
    shrink = reader.duration(fields.get("shrink_after"), "`scaling.shrink_after`", least=0, most=86_400)
    read = Scaling(
        usual.least if least is None else least,
        usual.most if most is None else most,
        concurrent or usual.concurrent,
        queries or usual.queries_per_second,
        usual.grow_after_s if grow is None else int(grow),
        usual.shrink_after_s if shrink is None else int(shrink),
    )
    if read.least > read.most:
        message = f"`scaling.least` ({read.least}) is above `scaling.most` ({read.most})."
        reader.report(fields.at, message, "Left out they are 2 and 10.")
        return replace(read, least=usual.least, most=usual.most)
    return read


def network(reader: Reader, node: Node | None) -> Network:
    """`network`: subnets and security groups go together; isolated unless the file says no."""
    fields = reader.fields(node, "`network`", ("subnets", "security_groups", "isolated"))
    subnets = _ids(reader, fields.get("subnets"), "`network.subnets`", _SUBNET, "subnet-0123456789abcdef0", 16)
    groups = _ids(reader, fields.get("security_groups"), "`network.security_groups`", _GROUP, "sg-0123456789abcdef0", 5)
    isolated = reader.flag(fields.get("isolated"), "`network.isolated`")
    if ("subnets" in fields) != ("security_groups" in fields):
        reader.report(fields.at, "`subnets` and `security_groups` come together.", "Add the other one.")
    return Network(subnets, groups, is_isolated=isolated is not False)


def rollout(reader: Reader, node: Node | None) -> Rollout:
    """`update`: how traffic moves, and the two alarms that take an update back."""
    usual = Rollout()
    fields = reader.fields(node, "`update`", ("traffic", "share", "wait", "most_errors", "slowest"))
    traffic = reader.one_of(fields.get("traffic"), "`update.traffic`", tuple(Traffic))
    # SageMaker lets a canary be at most half of the capacity, and a linear step as well.
    share = reader.integer(fields.get("share"), "`update.share`", least=5, most=50)
    wait = reader.duration(fields.get("wait"), "`update.wait`", least=0, most=3600)
    errors = reader.integer(fields.get("most_errors"), "`update.most_errors`", least=1, most=1_000_000)
    slowest = reader.duration(fields.get("slowest"), "`update.slowest`", least=0.1, most=900)
    return Rollout(
        Traffic(traffic) if traffic is not None else usual.traffic,
        share or usual.share_percent,
        usual.wait_s if wait is None else int(wait),
        errors or usual.most_errors,
        slowest or usual.slowest_s,
    )


def cost(reader: Reader, node: Node | None) -> Cost:
    """`cost`: a price of the operator's own, and the most that an hour may cost."""
    fields = reader.fields(node, "`cost`", ("instance_hour", "most_per_hour"))
    return Cost(
        reader.number(fields.get("instance_hour"), "`cost.instance_hour`", least=0.0001, most=10_000),
        reader.number(fields.get("most_per_hour"), "`cost.most_per_hour`", least=0.0001, most=1_000_000),
    )


def access(reader: Reader, node: Node | None) -> Access:
    """`access`: how AWS is reached. The environment's proxies are not used."""
    fields = reader.fields(node, "`access`", ("profile", "proxy", "ca", "address"))
    profile, ca = (reader.text(fields.get(key), f"`access.{key}`") for key in ("profile", "ca"))
    proxy, address = (_url(reader, fields.get(key), f"`access.{key}`") for key in ("proxy", "address"))
    return Access(profile.text if profile is not None else None, proxy, ca.text if ca is not None else None, address)


def _url(reader: Reader, node: Node | None, what: str) -> str | None:
    word = reader.text(node, what)
    return word.text.rstrip("/") if word is not None and origin(reader, word, what) is not None else None


def _ids(
    reader: Reader, node: Node | None, what: str, shape: re.Pattern[str], example: str, most: int
) -> tuple[str, ...]:
    words = reader.names(node, what)
    for word in words:
        if not shape.fullmatch(word.text):
            reader.report(word.at, f"This cannot stand in {what}.", f"Write it like `{example}`.")
    if node is not None and len(words) > most:
        reader.report(node.at, f"{what} takes at most {most}.")
    return tuple(word.text for word in words)
