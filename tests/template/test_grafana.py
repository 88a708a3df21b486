"""Grafana's dashboard and Prometheus's alerts: they name what is exported, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import promql_parser
import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]
from everytick import AsyncIOScheduler
from everytick.model import ticks
from everytick.read.completions import Completion
from everytick.telemetry.metrics import Metrics
from prometheus_client.parser import text_string_to_metric_families

from application import TEMPLATE

DASHBOARD: dict[str, Any] = json.loads((TEMPLATE / "deploy/grafana-dashboard.json").read_text("utf-8"))
ALERTS: dict[str, Any] = yaml.safe_load((TEMPLATE / "deploy/prometheus-alerts.yml").read_text("utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
# What Prometheus knows by itself of whatever it scrapes.
OWN = {"up": {"job", "instance"}}
KINDS = {"row", "stat", "timeseries", "bargauge", "table"}


def expressions() -> list[str]:
    """Return all expressions, with values for Grafana's variables."""
    asked = [target["expr"] for panel in PANELS for target in panel.get("targets", [])]
    filled = [
        text.replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$job_id", ".*")
        for text in asked
    ]
    return filled + [rule["expr"] for rule in RULES]


def variables() -> set[str]:
    """Return the metric of each variable, with the label that it lists."""
    return {item["definition"] for item in DASHBOARD["templating"]["list"] if item["type"] == "query"}


def selectors(expression: Any) -> Iterator[Any]:
    """Give each selector of a parsed expression."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        part = getattr(expression, name, None)
        if part is not None:
            yield from selectors(part)
    arguments = getattr(expression, "args", None)
    for part in arguments if isinstance(arguments, list) else []:
        yield from selectors(part)


@pytest.fixture
async def exported(scheduler: AsyncIOScheduler) -> dict[str, set[str]]:
    """Each name that is exported, with its labels, from a ledger in which everything has happened."""
    scheduler.add_job(lambda: None, "cron", hour=3, id="job")
    async with scheduler:
        made = Metrics(scheduler.ledger)
        made.exposition()
        now = ticks.now()
        for outcome in ("succeeded", "lost"):
            made._aggregate.add(Completion("job", outcome, "", now, now, now), "job")
        made._aggregate.add(Completion("job", "failed", "", now, now, None, followed=True), "job")
        text = made.exposition().decode()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {"instance", "job"}).update(sample.labels)
    return found


def test_every_expression_asks_for_what_is_exported(exported: dict[str, set[str]]) -> None:
    known = exported | OWN
    asked: set[str] = set()
    for text in expressions():
        found = list(selectors(promql_parser.parse(text)))
        assert len(found) == len(re.findall(r"\b(?:scheduler_\w+|up)\b(?!\")", text)), text
        for selector in found:
            asked.add(selector.name)
            assert selector.name in known, text
            labels = {matcher.name for matcher in selector.matchers.matchers}
            assert labels <= known[selector.name], text
    for text in variables():
        name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", text).groups()  # type: ignore[union-attr]
        assert label in known[name]
    # And whatever is exported is of use to somebody.
    unused = {name for name in exported if not name.endswith(("_count", "_sum", "_bucket"))} - asked
    assert unused == set()


def test_groups_are_formed_by_labels_that_there_are(exported: dict[str, set[str]]) -> None:
    labels = set().union(*exported.values())
    for text in expressions():
        for kind, names in re.findall(r"\b(by|on|without|ignoring) \(([^)]*)\)", text):
            assert {name.strip() for name in names.split(",")} <= labels, (kind, text)


def test_legends_and_sentences_name_labels_that_their_results_have() -> None:
    for panel in PANELS:
        for target in panel.get("targets", []):
            grouped = {
                name.strip()
                for names in re.findall(r"by \(([^)]*)\)", target["expr"])
                for name in names.split(",")
            }
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= grouped, panel["title"]
    for rule in RULES:
        for name in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
            assert name in {"job_id", "outcome", "reason"}
            assert rule["alert"].startswith(
                ("SchedulerJob", "SchedulerRun", "SchedulerTicks", "SchedulerLate")
            )


def test_the_dashboard_is_one_that_grafana_loads() -> None:
    assert DASHBOARD["schemaVersion"] >= 36
    assert {"title", "uid", "panels", "templating", "time", "annotations"} <= DASHBOARD.keys()
    # Neither a number of some installation nor a data source of somebody's own.
    assert "id" not in DASHBOARD
    assert [item["name"] for item in DASHBOARD["templating"]["list"]] == ["datasource", "instance", "job_id"]
    for panel in PANELS:
        assert panel["type"] in KINDS
        assert panel["title"]
        if panel["type"] == "row":
            continue
        assert {"options", "fieldConfig", "targets"} <= panel.keys()
        for target in panel["targets"]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert target["expr"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_no_panel_lies_on_another() -> None:
    places = [panel["gridPos"] for panel in PANELS]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


def test_the_alerts_are_rules_that_prometheus_loads() -> None:
    assert ALERTS.keys() == {"groups"}
    assert len({rule["alert"] for rule in RULES}) == len(RULES) >= 4
    for rule in RULES:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert re.fullmatch(r"\d+m", rule.get("for", "1m"))
        assert set(rule["annotations"]) == {"summary", "description"}
