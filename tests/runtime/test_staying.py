"""What kept a request home that waited or was turned away: its label, its row, money or operations; else nothing."""

import pytest

from gateway.core.decision import Allow, Deny, DenyCode
from gateway.core.facts import RequestFacts, Tenant
from gateway.core.labels import Label, LabelOrder
from gateway.core.records import Stayed
from gateway.core.topology import Endpoint, Pool, Topology
from gateway.errors import InvalidRequest, Overloaded, Unavailable
from gateway.policy.compile import load
from gateway.ports import Inbound
from gateway.runtime.admission import Admission
from gateway.runtime.call import Call
from gateway.runtime.staying import Staying
from tests.fakes.clock import FakeClock
from tests.fakes.house import POLICY

POOLS = tuple(
    Pool(name, zone, Label(clearance), "vllm", "m", (Endpoint(name),))
    for name, zone, clearance in (("home", "onprem", 3), ("home-b", "onprem", 3), ("burst", "cloud", 1))
)
CLASSES = {"default": Label(1), "hospital": None}
RULES = load(POLICY.replace("QUEUE", "5s").encode(), "policy.yaml", Topology(POOLS), CLASSES)
ORDER = LabelOrder(("public", "internal", "confidential", "restricted"))
OUT = Allow(("home", "home-b"), ("burst",), 5.0, "rest", Label(1))
IN = Allow(("home", "home-b"), (), 5.0, "keep-home", Label(3))


def ended(decision, *, label=1, tenant_class="default", queued_s=2.0, pool="home") -> Call:
    call = Call("0" * 24, Inbound(b"POST", b"/", None, b"{}", 1.0), path="chat", order=ORDER)
    ceiling = CLASSES[tenant_class]
    call.tenant = Tenant("bank", tenant_class, ceiling)
    call.facts = RequestFacts(Label(label), Label(label), tenant_class, ceiling, "chat")
    call.decision, call.queued_s, call.pool = decision, queued_s, pool
    return call


def why(call: Call, error=None, *, is_spent=False, share=None, drained=()):
    admission = Admission(POOLS, FakeClock())
    admission.control(share, drained)
    staying = Staying(admission, is_spent=lambda tenant: is_spent and tenant == "bank")
    return staying.why(call, RULES, error)


@pytest.mark.parametrize(
    ("call", "more", "expected"),
    [
        (ended(IN, label=3), {}, Stayed.LABEL),
        (ended(IN, label=3, tenant_class="hospital"), {}, Stayed.POLICY),
        (ended(OUT), {}, None),  # it might have left, and found a place here first
        (ended(OUT), {"is_spent": True}, Stayed.BUDGET),
        (ended(OUT), {"share": 0.0}, Stayed.OPERATIONS),
        (ended(OUT), {"drained": {"burst"}}, Stayed.OPERATIONS),
        (ended(OUT, pool="burst"), {"is_spent": True}, None),
        (ended(OUT, queued_s=0.0), {"is_spent": True}, None),
        (ended(IN, label=3, queued_s=0.0), {"error": Overloaded()}, Stayed.LABEL),
        (ended(IN, label=3, queued_s=0.0), {"error": Unavailable()}, Stayed.LABEL),
        (ended(IN, label=3, queued_s=0.0), {"error": InvalidRequest()}, None),
        (ended(Deny(DenyCode.DENIED_BY_ROUTE, "r", "No.")), {}, None),
    ],
)
def test_what_kept_it(call, more, expected):
    assert why(call, **more) is expected


def test_what_was_seen_on_the_way_counts_more_than_how_things_stand_at_the_end():
    call = ended(OUT)
    call.stayed = Stayed.BUDGET
    assert why(call) is Stayed.BUDGET
