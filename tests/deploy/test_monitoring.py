"""Alert rules, dashboard and docs/metrics.md name the metrics and labels that the gateway exports, and no others."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.core.figures import Family, Kind
from gateway.core.measures import FAMILIES
from gateway.core.records import Ending
from gateway.policy.live_canary import Verdict
from gateway.runtime.standing import State

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "alerts" / "tidegate.rules.yaml"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "dashboards" / "tidegate.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SUFFIXES = {Kind.SPREAD: ("_bucket", "_sum", "_count")}
SERIES: dict[str, Family] = {
    name + end: family for name, family in FAMILIES.items() for end in SUFFIXES.get(family.kind, ("",))
}
VALUES = {"state": {str(state) for state in State}, "ending": {str(ending) for ending in Ending}, "result": {"hit"}}
VALUES["verdict"] = {str(verdict) for verdict in Verdict}
KINDS = {Kind.COUNTER: "counter", Kind.STATE: "gauge", Kind.MOST: "gauge", Kind.SPREAD: "histogram"}

_NAME = re.compile(r"\b(tidegate_[a-z_]+)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'([a-z_]+)(=~|!~|!=|=)"([^"]*)"')
_BY = re.compile(r"\bby \(([^)]*)\)")


def expressions() -> Iterator[tuple[str, str]]:
    for rule in ALERTS:
        yield rule["alert"], rule["expr"]
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    yield "the variable `pool`", DASHBOARD["templating"]["list"][1]["query"]["query"]


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_metric_and_label_that_is_asked_for_is_exported(where: str, expression: str) -> None:
    named = _NAME.findall(expression)
    assert named, where
    known: set[str] = set()
    for name, matchers in named:
        assert name in SERIES, f"{where}: {name}"
        family = SERIES[name]
        known |= {*family.labels, *(("le",) if name.endswith("_bucket") else ())}
        found = _MATCHER.findall(matchers)
        assert re.sub(r"[,\s]", "", _MATCHER.sub("", matchers)) == "", f"{where}: {matchers}"
        for label, _, value in found:
            assert label in family.labels, f"{where}: {name} has no label {label}"
            if label in VALUES and not value.startswith("$"):
                assert set(value.split("|")) <= VALUES[label], f"{where}: {label}={value}"
        is_rate = re.search(rf"(?:rate|increase)\({name}\b", expression) is not None
        assert is_rate == (family.kind in (Kind.COUNTER, Kind.SPREAD)), f"{where}: a rate is of what rises: {name}"
    for labels in _BY.findall(expression):
        assert {label.strip() for label in labels.split(",")} <= known, f"{where}: by ({labels})"


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_look_at(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description"}
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    used = set(re.findall(r"\$labels\.([a-z_]+)", "".join(rule["annotations"].values())))
    names = [SERIES[name] for name, _ in _NAME.findall(rule["expr"])]
    grouped = _BY.findall(rule["expr"])
    kept = {label.strip() for label in grouped[-1].split(",")} if grouped else set(names[0].labels)
    assert used <= kept


def test_alerts_and_panels_have_names_of_their_own() -> None:
    for names in ([rule["alert"] for rule in ALERTS], [panel["title"] for panel in PANELS]):
        assert len(set(names)) == len(names)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_prometheus_itself_accepts_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: the rules were only read by us")
    subprocess.run([promtool, "check", "rules", str(RULES)], check=True, capture_output=True, timeout=60)


# The documentation


def documented(language: str) -> list[tuple[str, str, str, str]]:
    text = (ROOT / "docs" / f"metrics{language}.md").read_text()
    return re.findall(r"^\| `(tidegate_[a-z_]+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)


@pytest.mark.parametrize("language", ["", ".zh"])
def test_every_metric_is_documented_with_its_kind_and_labels_and_nothing_else_is(language: str) -> None:
    expected = [
        (name, KINDS[family.kind], ", ".join(f"`{label}`" for label in family.labels) or "–")
        for name, family in FAMILIES.items()
    ]
    assert [row[:3] for row in documented(language)] == expected


def test_the_english_page_says_what_the_metrics_page_says() -> None:
    assert [row[3] for row in documented("")] == [family.says for family in FAMILIES.values()]


def test_the_chinese_page_says_something_of_its_own_for_each() -> None:
    said = [row[3] for row in documented(".zh")]
    assert len(set(said)) == len(said)
    assert all(re.search("[\u4e00-\u9fff]", text) for text in said)
