"""tenants.yaml: a class can only lower the policy's ceiling."""

# ruff: noqa: E501  # one fault per row of the table
import pytest

from gateway.config.tenants_file import TenantsFile
from gateway.config.tenants_file import read as read_tenants
from gateway.core.facts import Tenant
from gateway.core.labels import Label
from gateway.core.quota import Limits

from .reading import INTERNAL, ORDER, PUBLIC, read

WHOLE = """\
apiVersion: tidegate/v1
classes: {default: {ceiling: internal}, press: {ceiling: public}, hospital: {ceiling: none}}
tenants: {demo: {class: default, sees: [label, route, pool]}, ward: {class: hospital}}
"""


def told(text: str, ceiling: Label | None = INTERNAL) -> tuple[TenantsFile, list[str]]:
    return read(text, lambda root, reader: read_tenants(root, reader, ORDER, ceiling, INTERNAL))


def test_classes_and_tenants_are_read() -> None:
    tenants, problems = told(WHOLE)
    assert problems == []
    assert tenants.class_ceilings == {"default": INTERNAL, "press": PUBLIC, "hospital": None}
    assert tenants.tenants == {
        "demo": Tenant("demo", "default", INTERNAL, frozenset({"label", "route", "pool"})),
        "ward": Tenant("ward", "hospital", None),
    }


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("ceiling: internal", "ceiling: restricted", "2:30: This ceiling is above the policy's cloud ceiling, `internal`: a class may only lower it. Write `internal` or lower."),
        ("ceiling: public", "ceiling: publc", "2:58: The label `publc` does not exist. Did you mean `public`?"),
        ("{ceiling: none}", "{}", "2:77: The class `hospital` lacks the key `ceiling`. Add it."),
        ("ceiling: public", "ceiling: public, attests: confidential", "2:75: `attests` is above `label.default`, `internal`: a class can only vouch for less. Write a lower label, or leave it out."),
        ("ceiling: public", "ceiling: public, attests: none", "2:75: The label `none` does not exist. Known: confidential, internal, public, restricted."),
        ("ceiling: public", "ceiling: public, attests: [public]", "2:75: What `press` attests must be a name."),
        ("ceiling: public", "ceiling: public, attest: public", "2:66: The class `press` has no key `attest`. Did you mean `attests`?"),
        ("ceiling: public", "ceiling: public, full_scan: alway", "2:77: `full_scan` must be one of: always, when_needed. Did you mean `always`?"),
        ("ceiling: public", "ceiling: public, priority: 10", "2:76: `priority` must be a whole number from 0 to 9."),
        ("class: hospital", "class: hospitl", "3:77: The class `hospitl` does not exist. Did you mean `hospital`?"),
        ("{class: hospital}", "{}", "3:69: The tenant `ward` lacks the key `class`. Add it."),
        ("[label, route, pool]", "[labels]", "3:41: What a tenant may see `labels` does not exist. Did you mean `label`?"),
        ("ward:", "'a b':", "3:63: A name in `tenants` must be a name: letters, digits and `. _ - / :`, at most 100 of them."),
    ],
)  # fmt: skip
def test_a_fault_is_told_in_place(old: str, new: str, expected: str) -> None:
    assert told(WHOLE.replace(old, new))[1] == [expected]


def test_a_class_has_a_priority_and_its_tenants_with_it() -> None:
    tenants, problems = told(WHOLE.replace("ceiling: none", "ceiling: none, priority: 9"))
    assert problems == []
    assert [tenants.tenants[name].priority for name in ("demo", "ward")] == [5, 9]


def test_what_a_class_attests_is_kept_with_its_tenants() -> None:
    tenants, problems = told(WHOLE.replace("ceiling: internal", "ceiling: internal, attests: public"))
    assert problems == []
    assert tenants.attested == {"default": PUBLIC}
    assert tenants.tenants["demo"].attested == PUBLIC
    assert tenants.tenants["ward"].attested is None
    equal, problems = told(WHOLE.replace("ceiling: internal", "ceiling: internal, attests: internal"))
    assert (problems, equal.attested) == ([], {"default": INTERNAL})


def test_a_class_that_asks_for_a_full_scan_asks_for_all_its_tenants() -> None:
    tenants, problems = told(WHOLE.replace("ceiling: internal", "ceiling: internal, full_scan: always"))
    assert problems == []
    assert {name: place.line for name, place in tenants.full_scans.items()} == {"default": 2}
    assert [tenants.tenants[name].full_scan for name in ("demo", "ward")] == [True, False]
    usual, problems = told(WHOLE.replace("ceiling: internal", "ceiling: internal, full_scan: when_needed"))
    assert (problems, usual.full_scans, usual.tenants["demo"].full_scan) == ([], {}, False)


def test_without_the_policys_default_nothing_is_attested() -> None:
    text = WHOLE.replace("ceiling: internal", "ceiling: internal, attests: public")
    tenants, problems = read(text, lambda root, reader: read_tenants(root, reader, ORDER, INTERNAL))
    assert (problems, tenants.attested, tenants.tenants["demo"].attested) == ([], {}, None)


def test_under_a_policy_that_lets_nothing_out_every_class_says_none() -> None:
    _, problems = told(WHOLE, None)
    assert [problem.split(": ", 1)[1] for problem in problems] == [
        "This ceiling is above the policy's cloud ceiling, `none`: a class may only lower it. Write `none` or lower."
    ] * 2


def test_a_file_without_classes_is_told_and_without_labels_nothing_leaves() -> None:
    assert told("apiVersion: tidegate/v1\nclasses: {}\ntenants: {}\n")[1] == [
        "2:10: `classes` must not be empty. Write `default: {ceiling: …}`."
    ]
    tenants, problems = read(WHOLE, lambda root, reader: read_tenants(root, reader, None, None))
    assert problems == []
    assert set(tenants.class_ceilings.values()) == {None}


def test_a_class_has_limits_and_its_tenants_with_it_but_for_what_they_say_themselves() -> None:
    limited = WHOLE.replace("ceiling: internal", "ceiling: internal, limits: {requests_per_minute: 60, concurrency: 4}")
    tenants, problems = told(limited.replace("sees:", "limits: {concurrency: 9}, sees:"))
    assert problems == []
    assert tenants.tenants["demo"].limits == Limits(60, None, 9)
    assert tenants.tenants["ward"].limits is None
    assert told(limited)[0].tenants["demo"].limits == Limits(60, None, 4)
