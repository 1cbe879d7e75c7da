"""Every block of commands in the README and the documents is executed by a test, or listed here with the reason."""

from __future__ import annotations

from tests.house.blocks import Block, blocks, commands
from tests.scenarios import test_readme
from tests.server.cli import test_guide

HELP = ("Usage: ", "usage: ")
ROOT_ONLY = (
    "changes a whole machine as root: units, users, /opt; tests/power and tests/house/test_packaging.py run the parts"
)
LISTED = {
    ("docs/simulator.md", "surefoot sim"): "the tests of the simulators run its scenarios, one by one",
    ("docs/api.md", "surefoot webhook create ops"): (
        "sends to an address outside; the tests of webhooks make, try and remove one inside"
    ),
    (
        "docs/api.md",
        "surefoot hook create ci",
    ): "needs a hook's own id; tests/server/cli/test_feedback.py does the same",
    ("README.md", "make demo"): "CI runs both themselves, and this test within the second",
    ("docs/api.md", 'curl -N -H "Authorization: Bearer $TOKEN" "http://127.0.0.1:8080/api/v1/events'): (
        "follows for ever; the tests of the stream ask the same"
    ),
    (
        "docs/downloads.md",
        "surefoot-agent cache",
    ): "serves until it is stopped; tests/agent/test_cache_cli.py starts it",
    ("docs/forecast.md", "surefoot sim forecast"): "the tests of the simulators run it on its own example",
    ("docs/migrate-from-mender.md", "systemctl mask"): ROOT_ONLY,
    ("docs/migrate-from-mender.md", "install -m 644"): ROOT_ONLY,
    ("docs/migrate-from-rauc.md", "systemctl mask"): ROOT_ONLY,
    ("docs/migrate-from-rauc.md", "install -m 644"): ROOT_ONLY,
    ("docs/modules.md", "surefoot release unpack"): (
        "needs Mender's own tool for the artifact; tests/server/cli/test_release_mender.py runs it where that is"
    ),
    ("docs/operators-guide.md", "python3 -m venv /opt/surefoot"): ROOT_ONLY,
    ("docs/operators-guide.md", "install -D -m 644"): ROOT_ONLY,
    ("docs/operators-guide.md", "ssh -N -L"): "needs a second machine",
    (
        "docs/operators-guide.md",
        "sudo -u surefoot",
    ): "needs the device's user; tests/scenarios and tests/power apply from a stick",
    (
        "docs/operators-guide.md",
        "surefoot audit checkpoint",
    ): "writes where it stands; tests/server/cli/test_audit.py notes a checkpoint and verifies by it",
    (
        "docs/operators-guide.md",
        "surefoot backup",
    ): "needs the server's own folders; tests/server/cli/test_backup.py runs both",
    ("docs/simulator.md", "surefoot sim run"): (
        "plays every scenario that ships, which tests/simulators/world does one by one"
    ),
    ("docs/self-update.md", "python3 -m venv --copies"): (
        "fetches every library from an index; tests/scenarios/test_self_update.py builds an agent from those at hand"
    ),
}
"""(page, how the first command begins) → why no test executes the block."""


def test_every_block_says_what_it_is() -> None:
    bare = [b for b in blocks() if not b.label and not b.text.startswith(HELP)]

    assert [f"{b.page}: {b.first}" for b in bare] == []


def test_every_block_of_commands_is_executed_or_has_a_reason() -> None:
    left = [f"{b.page}: {b.first}" for b in commands() if not _executed(b) and not _listed(b)]

    assert left == []


def test_what_is_listed_is_there_and_not_executed() -> None:
    for page, begins in LISTED:
        found = [b for b in commands(page) if b.text.startswith(begins)]

        assert found, f"{page} has no block that begins with {begins}"
        assert [b.first for b in found if _executed(b)] == []


def _executed(block: Block) -> bool:
    """The runbooks of keys and the README are executed from top to bottom, the guide block by block."""
    if block.page == "README.md":
        return block in test_readme.walked()
    return block.page == "docs/keys.md" or block in test_guide.executed()


def _listed(block: Block) -> bool:
    return any(block.page == page and block.text.startswith(begins) for page, begins in LISTED)
