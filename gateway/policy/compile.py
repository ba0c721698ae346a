"""From the policy as written to a table that decides, or every problem at once.

`load` does it all; `settings.py` uses the steps, since the pools' and tenants' files need the policy's labels and
zones before the policy can be compiled against them. Compiled without topology a policy labels and checks names among
themselves, and decides nothing: no pool is known, so every request is refused. Whether it keeps what it promises in
every state is `prove.py`'s: what is only compiled must not serve.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from gateway.core import written
from gateway.core.labels import Label, LabelOrder
from gateway.core.reading import Reader
from gateway.core.topology import Topology
from gateway.policy import checks, form, table
from gateway.policy.compiled import CompiledPolicy, Frame, Premises
from gateway.policy.document import NONE, WrittenPolicy


def load(
    data: bytes, file: str, topology: Topology | None = None, classes: Mapping[str, Label | None] | None = None
) -> CompiledPolicy:
    """The policy in a file's bytes; raises Problems."""
    document = written.parse(data, file, end_marker=True)
    reader = Reader(document.problems)
    policy = form.read(document, reader)
    compiled = compile_policy(policy, frame(policy, reader), reader, topology, classes)
    reader.finish()
    # `finish` has raised if anything was reported, and nothing is missing without a report.
    assert compiled is not None  # noqa: S101
    return compiled


def frame(policy: WrittenPolicy, reader: Reader) -> Frame:
    """The label order, the zones and the cloud ceiling of `policy`."""
    if not policy.labels:
        return Frame(None, {}, None)
    order = LabelOrder(tuple(word.text for word in policy.labels))
    ceiling = policy.cloud_ceiling
    zones = MappingProxyType({zone.name: zone for zone, _ in policy.zones})
    given = policy.default
    default = order.rank(given.text) if given is not None and given.text in order.names else None
    if ceiling is None or ceiling.text == NONE:
        return Frame(order, zones, None, default)
    name = reader.reference(ceiling, "The label", order.names)
    rank = order.rank(name) if name is not None else None
    # A ceiling that does not exist is reported; it must not make every class's ceiling look too high besides.
    return Frame(order, zones, rank if rank is not None else order.top, default)


def compile_policy(
    policy: WrittenPolicy,
    frame: Frame,
    reader: Reader,
    topology: Topology | None,
    classes: Mapping[str, Label | None] | None,
    own_entities: Sequence[str] = (),
) -> CompiledPolicy | None:
    """The table for `policy`, or None once `reader` has problems. `own_entities` may be named besides ours."""
    if frame.order is None:
        return None
    premises = Premises(frame, frame.order, topology, classes, tuple(own_entities))
    notes = checks.check(policy, premises, reader)
    if reader.problems:
        return None
    return table.build(policy, premises, notes)
