"""Facts as a person gives them: `--facts` on the command line, and cases later.

JSON is YAML, so one reader does both.
"""

from typing import Final

from gateway.core.facts import Capability, Complexity, RequestFacts
from gateway.core.labels import Label
from gateway.core.reading import Fields, Reader
from gateway.core.written import Node
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.document import NONE

KEYS: Final = ("label", "model", "label_low", "tenant_class", "ceiling", "capabilities", "complexity")


def read(root: Node, reader: Reader, compiled: CompiledPolicy) -> RequestFacts | None:
    """The facts at `root` under `compiled`; what is not given is usual: the class `default` and its ceiling."""
    fields = reader.fields(root, "The facts", KEYS, ("label", "model"))
    high = _label(fields, "label", reader, compiled)
    low = _label(fields, "label_low", reader, compiled)
    model = reader.text(fields.get("model"), "`model`")
    named = reader.name(fields.get("tenant_class"), "`tenant_class`")
    tenant_class = named.text if named is not None else "default"
    ceiling = compiled.class_ceilings.get(tenant_class, compiled.ceiling)
    given = reader.name(fields.get("ceiling"), "`ceiling`")
    if given is not None and given.text == NONE:
        ceiling = None
    elif given is not None:
        ceiling = _label(fields, "ceiling", reader, compiled)
    capabilities = frozenset(
        Capability(word.text)
        for word in reader.names(fields.get("capabilities"), "`capabilities`", least=0)
        if reader.reference(word, "The capability", tuple(Capability)) is not None
    )
    complexity = reader.one_of(fields.get("complexity"), "`complexity`", tuple(Complexity))
    if high is None or model is None:
        return None
    return RequestFacts(
        label_low=low if low is not None else high,
        label_high=high,
        tenant_class=tenant_class,
        ceiling=ceiling,
        model=model.text,
        capabilities=capabilities,
        complexity=Complexity(complexity) if complexity is not None else Complexity.MEDIUM,
    )


def _label(fields: Fields, key: str, reader: Reader, compiled: CompiledPolicy) -> Label | None:
    name = reader.reference(reader.name(fields.get(key), f"`{key}`"), "The label", compiled.order.names)
    return compiled.order.rank(name) if name is not None else None
