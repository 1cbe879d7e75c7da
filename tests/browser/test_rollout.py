"""A whole rollout by a person at the console, from the wizard to the revert, with a live fleet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import DEVICES, Site

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.needs("/usr/bin/chromium", "mosquitto"),
]

WAIT_MS = 60_000


def do(page: Page, name: str, button: str, reason: str = "") -> None:
    """Open an act, read its confirmation and press the button that names the devices."""
    act = page.locator("details.act", has=page.locator("summary", has_text=re.compile(f"^{name}$")))
    act.locator("summary").click()
    if reason:
        act.locator("input[name=reason]").fill(reason)
    pressed = act.get_by_role("button", name=re.compile(button))
    expect(pressed).to_be_visible()
    pressed.click()


def stands(page: Page, *words: str) -> None:
    """The word beside the rollout's name; the page follows the stream, nobody reloads it."""
    expect(page.locator("#now .heading .word").first).to_have_text(re.compile("|".join(words)), timeout=WAIT_MS)


def test_a_rollout_from_the_wizard_to_its_revert(site: Site) -> None:
    with site.look("operator") as page:
        site.open(page, "/rollouts/new?release=app/1.2")
        page.fill("input[name=phases]", "20, 100")
        page.fill("input[name=bake]", "2s")
        page.get_by_role("button", name="Preview").click()
        expect(page.locator("h1")).to_contain_text(f"app/1.2 would go to {DEVICES} devices in 2 phases")
        assert site.serious(page) == []
        site.picture(page, "rollout-preview-light-1280")
        page.get_by_role("button", name=f"Start on {DEVICES} devices").click()
        page.wait_for_url(re.compile(r"/rollouts/r\d+$"))

        do(page, "Pause", r"Pause \d+ devices", "a look at the canaries")
        stands(page, "paused")
        expect(page.locator("#lines li").first).to_be_visible()
        expect(page.locator("#lines")).to_contain_text("a look at the canaries")
        site.picture(page, "rollout-paused-light-1280")
        do(page, "Resume", r"Resume for \d+ devices?")
        expect(page.locator("#lines")).to_contain_text("committed", timeout=WAIT_MS)
        expect(page.locator(".ladder > li.good")).to_have_count(1, timeout=WAIT_MS)
        stands(page, "succeeded")
        expect(page.locator("p.sentence")).to_contain_text(f"{DEVICES} of {DEVICES} devices run it", timeout=WAIT_MS)

        do(page, "Revert", rf"Revert {DEVICES} devices", "the night shift sees ghosts")
        stands(page, "reverting", "failed")
        stands(page, "failed")
        expect(page.locator("p.sentence")).to_contain_text(f"{DEVICES} taken back", timeout=WAIT_MS)
        site.picture(page, "rollout-reverted-light-1280")

    assert site.crowd.fleet.running("app/1.1") == DEVICES


def test_a_page_waits_with_its_news_while_somebody_reads_a_confirmation(site: Site) -> None:
    with site.look("operator") as page:
        rollout = site.crowd.operator.start_rollout("1.0", "everybody", held(site))
        site.open(page, f"/rollouts/{rollout}")
        page.locator("details.act summary", has_text="Cancel").click()
        site.crowd.act(rollout, "cancel")
        expect(page.locator("#lines")).to_contain_text("cancel by", timeout=WAIT_MS)
        assert page.locator("details.act[open]").count() == 1

        page.keyboard.press("Escape")

        stands(page, "cancelled")


def held(site: Site) -> Path:
    path = site.crowd.folder / "held.yaml"
    path.write_text("rollout: {intent: downgrade, approval: {by: admin, count: 1}}\n")
    return path
