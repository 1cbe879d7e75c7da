"""Dashboard and alerts speak of figures that the server has."""

from __future__ import annotations

import json
import re

import yaml

from surefoot_server import rollout_metrics
from surefoot_server.metrics import MEANINGS
from tests.house.tree import ROOT
from tests.server.rig import NOW, Rig

FOLDER = ROOT / "packaging"
NAME = re.compile(r"\bsurefoot_[a-z0-9_]+")
SUFFIX = re.compile(r"_(bucket|count|sum|created)$")
FLEET = {
    "surefoot_devices",
    "surefoot_devices_attention",
    "surefoot_devices_running",
    "surefoot_rollouts",
    "surefoot_outcomes_total",
}


def known(rig: Rig) -> set[str]:
    with rig.db.read() as session:
        families = list(rollout_metrics.collect(session, NOW))
    totals = {f.name + "_total" for f in families if f.type == "counter"}
    return {f.name for f in families} | totals | {f"surefoot_{name}" for name in MEANINGS} | FLEET


def test_every_figure_of_the_alerts_exists_and_each_says_what_it_means(rig: Rig) -> None:
    groups = yaml.safe_load((FOLDER / "prometheus" / "alerts.yaml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]

    named = {SUFFIX.sub("", name) for rule in rules for name in NAME.findall(rule["expr"])}
    assert named - known(rig) == set()
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] in ("page", "ticket") for rule in rules)
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 8


def test_every_figure_of_the_dashboard_exists(rig: Rig) -> None:
    dashboard = json.loads((FOLDER / "grafana" / "surefoot.json").read_text())
    targets = [target for panel in dashboard["panels"] for target in panel["targets"]]

    named = {SUFFIX.sub("", name) for target in targets for name in NAME.findall(target["expr"])}
    assert named - known(rig) == set()
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]) >= 10
