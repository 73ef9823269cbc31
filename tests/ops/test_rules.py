"""Prometheus' own tool on its configuration, the rules, and the rules' tests."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import needs

DEPLOY = Path(__file__).parents[2] / "deploy/prometheus"
DASHBOARDS = DEPLOY.parent / "grafana/dashboards"
DATASOURCE = "provisioning/datasources/prometheus.yml"
ALERTS = [
    rule
    for group in yaml.safe_load((DEPLOY / "rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
TESTS = yaml.safe_load((DEPLOY / "rules_test.yml").read_text())["tests"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the configuration, with a token file that is there."""
    needs.tool("promtool")
    shutil.copytree(DEPLOY, tmp_path, dirs_exist_ok=True)
    config = tmp_path / "prometheus.yml"
    text = config.read_text().replace("/run/secrets/http_token", str(tmp_path / "token"))
    config.write_text(text)
    (tmp_path / "token").write_text("x" * 32)
    return tmp_path


def promtool(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["promtool", *arguments], cwd=folder, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "--lint=all", "--lint-fatal", "rules.yml"),
        ("test", "rules", "rules_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_is_content(folder: Path, arguments: tuple[str, ...]) -> None:
    done = promtool(folder, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_asks_what_prometheus_understands(folder: Path) -> None:
    dashboard = json.loads((DASHBOARDS / "stream-app.json").read_text())
    asked = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    records = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(asked)
    ]
    rules = {"groups": [{"name": "dashboard", "rules": records}]}
    (folder / "dashboard.yml").write_text(yaml.safe_dump(rules))
    done = promtool(folder, "check", "rules", "dashboard.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(asked)} rules found" in done.stdout
    (source,) = yaml.safe_load((DASHBOARDS.parent / DATASOURCE).read_text())["datasources"]
    used = {panel["datasource"]["uid"] for panel in dashboard["panels"]}
    assert used == {source["uid"]}


@pytest.mark.parametrize("expression", ["vector(1) > 2", "vector(1)"], ids=["never", "always"])
def test_the_tests_would_notice(folder: Path, expression: str) -> None:
    """Rules that never fire, or always, fail their tests, each of them."""
    rules = yaml.safe_load((DEPLOY / "rules.yml").read_text())
    for rule in rules["groups"][0]["rules"]:
        rule["expr"] = expression
        rule.pop("for", None)
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    done = promtool(folder, "test", "rules", "rules_test.yml")
    assert done.returncode != 0
    failed = set(re.findall(r"alertname: (\w+)", done.stdout + done.stderr))
    assert failed == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_each_rule_fires_in_a_test_and_says_what_is_wrong(rule: dict[str, Any]) -> None:
    cases = [c for t in TESTS for c in t["alert_rule_test"] if c["alertname"] == rule["alert"]]
    assert any(case["exp_alerts"] for case in cases)
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert re.search(r"\w{4}", rule["annotations"]["summary"])
