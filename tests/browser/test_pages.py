"""Every page for every role: no complaint of the browser, none of axe-core, readable without scripts, and a picture."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import pytest

from surefoot_server.console.navigation import entries
from tests.browser.site import Site

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.needs("/usr/bin/chromium", "mosquitto"),
]

ROLES = ("viewer", "operator", "releaser")
"""Besides the administrator, whose pages are looked at more closely."""
PAGES = {
    "rollout": "/rollouts/r1",
    "rollout-devices": "/rollouts/r1/devices",
    "verdict": "/rollouts/r1/verdicts",
    "device": "/devices/sim-0001",
    "release": "/releases/app/1.1",
    "audit-checked": "/audit?verify=1",
}
"""Name → address of what is not linked from every page."""
FOR_OPERATORS = {"rollout-new": "/rollouts/new"}
SCHEMES: tuple[tuple[Literal["light", "dark"], list[str] | None], ...] = (("light", None), ("dark", ["color-contrast"]))
"""Of each page, with the rules of axe-core that tell it from the scheme before; None for all."""
AXE_SHA256 = "20c09fe157a8a34a30e241aaa1fcdade657734f08ab379ecfbeb7d45cc46e878"
"""Of axe-core 4.14.0 as its authors published it on npm."""


def pages(role: str) -> dict[str, str]:
    linked = {entry.icon: entry.path for entry in entries()}
    return linked | PAGES | (FOR_OPERATORS if role != "viewer" else {})


def test_every_page_opens_for_every_role_without_a_complaint(site: Site) -> None:
    for role in ROLES:
        with site.look(role) as page:
            for path in pages(role).values():
                site.open(page, path)
                assert page.locator("main h1").count() == 1, (role, path)


def test_every_page_is_accessible_and_pictured_in_light_and_dark_wide_and_narrow(site: Site) -> None:
    """Each page is loaded once at each width; dark is asked of it without loading, where colours alone can differ."""
    found = {}
    for role, listed in ((None, {"sign-in": "/sign-in"}), ("admin", pages("admin"))):
        for width in (1280, 390):
            with site.look(role, width=width) as page:
                for name, path in listed.items():
                    site.open(page, path)
                    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                    found[f"{name} at {width}"] = [f"{wide} px too wide"] * (wide > 0)
                    for scheme, rules in SCHEMES:
                        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                        site.picture(page, f"{name}-{scheme}-{width}")
                        found[f"{name} at {width}"] += [f"{scheme}: {each}" for each in site.serious(page, rules)]
                    page.emulate_media(color_scheme="light", reduced_motion="reduce")

    assert {name: problems for name, problems in found.items() if problems} == {}


def test_every_page_speaks_vietnamese(site: Site) -> None:
    with site.look("admin", language="vi-VN") as page:
        for name, path in pages("admin").items():
            site.open(page, path)
            assert page.locator("html").get_attribute("lang") == "vi", path
            if name in ("overview", "rollout"):
                site.picture(page, f"{name}-vi-1280")
        assert page.get_by_role("link", name="Tổng quan").count() > 0


def test_every_page_reads_without_scripts_and_forms_work(site: Site) -> None:
    with site.look("operator", scripts=False) as page:
        for path in pages("operator").values():
            site.open(page, path)
            assert page.locator("main h1").inner_text().strip(), path
        site.open(page, "/rollouts/new")
        page.select_option("select[name=release]", "app/1.2")
        page.click("button:has-text('Preview')")
        assert "app/1.2 would go to" in page.locator("h1").inner_text()


def test_times_are_in_the_viewers_zone_with_utc_on_hover(site: Site) -> None:
    with site.look("viewer") as page:
        site.open(page, "/rollouts/r1/verdicts")
        at = page.locator("time.at").first
        utc, shown = at.get_attribute("datetime") or "", at.inner_text()

        assert (int(shown[11:13]) - int(utc[11:13])) % 24 == 7
        assert (at.get_attribute("title") or "").endswith(" UTC")


def test_keys_lead_to_pages_and_to_the_search(site: Site) -> None:
    with site.look("viewer") as page:
        site.open(page, "/")
        page.keyboard.press("g")
        page.keyboard.press("r")
        page.wait_for_url("**/rollouts")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"


def test_axe_is_what_its_authors_published() -> None:
    axe = Path(__file__).parent / "vendor" / "axe" / "axe.min.js"

    assert hashlib.sha256(axe.read_bytes()).hexdigest() == AXE_SHA256
