"""The documents say what the code says: pages made from it are fresh, and links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from surefoot_agent import config
from surefoot_server.channels import requirements
from surefoot_server.fleet import document as fleet
from surefoot_server.releases.recipe import read_recipe
from surefoot_server.rollouts import policy
from tests.house.tree import PACKAGES, ROOT, documents

LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)(?:#[^)]*)?\)")
UNTOLD = re.compile(r"\b(TODO|FIXME|TBD|coming soon)\b|localhost:3000|example\.org/surefoot", re.IGNORECASE)


def test_every_page_and_diagram_made_from_the_code_is_fresh() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, timeout=60
    )

    assert result.returncode == 0, result.stdout + result.stderr


def test_every_link_between_documents_leads_to_a_file() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in documents()
        for target in LINK.findall(page.read_text())
        if not target.startswith(("http:", "https:", "mailto:")) and not (page.parent / target).exists()
    ]

    assert broken == []


def test_no_document_promises_what_is_not_there_yet() -> None:
    found = [f"{page.relative_to(ROOT)}: {m[0]}" for page in documents() if (m := UNTOLD.search(page.read_text()))]

    assert found == []


def test_every_source_root_explains_itself() -> None:
    missing = [
        r for r in ("agent", "server", "shared", "simulators", "packaging") if not (ROOT / r / "README.md").exists()
    ]

    assert missing == []


@pytest.mark.parametrize("root", PACKAGES)
def test_a_source_roots_page_names_every_part_and_no_other(root: str) -> None:
    page, package = (ROOT / root / "README.md").read_text(), PACKAGES[root]
    named = set(re.findall(r"`([a-z_]+(?:\.py|/))`", page))
    there = {p.name + ("/" if p.is_dir() else "") for p in package.iterdir() if p.suffix == ".py" or _is_package(p)}

    assert there - named - {"__init__.py"} == set(), "parts that the page does not mention"
    assert {n for n in named if n.endswith(".py")} <= {p.name for p in package.rglob("*.py")} | {"guard.py"}


def _is_package(path: Path) -> bool:
    return (path / "__init__.py").exists()


def test_every_decision_is_listed_and_says_its_price_and_the_code_that_obeys() -> None:
    listed = (ROOT / "docs/adr/README.md").read_text()

    for page in sorted((ROOT / "docs" / "adr").glob("0*.md")):
        text = page.read_text()
        assert f"({page.name})" in listed
        for part in ("**Context.**", "**Decision.**", "**Bad consequences.**", "**Code that obeys.**"):
            assert part in text, f"{page.name} lacks {part}"


def test_the_code_that_a_decision_names_exists() -> None:
    named = [
        (page.name, path)
        for page in sorted((ROOT / "docs" / "adr").glob("0*.md"))
        for path in re.findall(r"`((?:agent|server|shared|simulators|packaging|tests)/[\w./@-]+)`", page.read_text())
    ]

    assert named
    assert [(page, path) for page, path in named if not (ROOT / path).exists()] == []


def test_every_policy_in_the_guide_is_one_that_the_server_takes() -> None:
    policies = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/operators-guide.md").read_text(), re.DOTALL)

    assert policies
    for text in policies:
        assert policy.parse(text).phases


def test_every_fleet_in_the_guide_is_one_that_can_be_applied() -> None:
    fleets = re.findall(r"```yaml fleet\n(.*?)```", (ROOT / "docs/operators-guide.md").read_text(), re.DOTALL)

    assert fleets
    for text in fleets:
        assert set(fleet.parse(text, fleet.Known())) == {"policy", "cohort", "channel"}


def test_every_requirement_in_the_guide_is_one_that_a_channel_takes() -> None:
    listed = re.findall(r"```yaml requires\n(.*?)```", (ROOT / "docs/operators-guide.md").read_text(), re.DOTALL)

    assert listed
    for text in listed:
        assert requirements.parse(text).scan is not None


def test_every_component_in_the_documents_is_one_that_the_agent_takes(tmp_path: Path) -> None:
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "packaging").rglob("*.md")]
    blocks = [text for page in pages for text in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)]
    told = [text for text in blocks if "[components." in text]

    assert len(told) > 5
    for text in told:
        (tmp_path / "agent.toml").write_text(text)
        assert config.components_of(config.load(tmp_path / "agent.toml", env={})), text


def test_every_recipe_in_the_guide_is_one_that_builds(tmp_path: Path) -> None:
    recipes = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/operators-guide.md").read_text(), re.DOTALL)

    assert recipes
    for text in recipes:
        (tmp_path / "release.toml").write_text(text)
        assert read_recipe(tmp_path / "release.toml").checks


def test_every_command_in_the_documents_exists_with_its_options() -> None:
    said = "\n".join(page.read_text().replace("\\\n", " ") for page in documents() if page.name != "cli.md")
    known = (ROOT / "docs/cli.md").read_text()
    commands = re.findall(r"\bsurefoot (?!-)([a-z-]+(?: [a-z]+)?)(?=[ `])([^\n`|&;>#]*)", said)

    assert len(commands) > 20
    unknown = [c for c, _ in commands if f"surefoot {c}\n" not in known and f"surefoot {c.split()[0]}\n" not in known]
    assert unknown == []
    options = {o for _, rest in commands for o in re.findall(r"(?<=\s)--[a-z-]+", rest)}
    assert {o for o in options if f"{o} " not in known and f"{o}\n" not in known} == set()


def test_the_changelog_has_an_unreleased_part() -> None:
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text()
