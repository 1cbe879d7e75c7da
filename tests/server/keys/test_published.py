"""How well signed is what the server serves, counted by verifying."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from surefoot_server.keys import published
from surefoot_server.keys.layout import latest
from surefoot_server.keys.published import Listed
from surefoot_shared.errors import ConfigError
from surefoot_shared.release import digest_of
from surefoot_shared.trust.policy import Policy
from tests.server.releases import shelf
from tests.server.rig import Rig


@pytest.fixture
def repo(rig: Rig) -> Path:
    return rig.state.settings.data_dir / "repo"


def test_every_file_that_people_sign_says_how_many_did_and_until_when(repo: Path) -> None:
    found = published.signatures(repo)

    assert [(s.repository, s.role, len(s.signed), s.threshold, s.keys) for s in found] == [
        ("image", "root", 1, 1, 1),
        ("image", "targets", 1, 1, 1),
        ("image", "rel-app", 1, 1, 1),
        ("director", "root", 1, 1, 1),
    ]
    assert all(s.days_left(datetime.now(timezone.utc)) > 100 for s in found)


def test_a_signature_that_does_not_verify_is_none(repo: Path) -> None:
    path = latest(repo / "image", "rel-app")
    assert path is not None
    document = json.loads(path.read_bytes())
    document["signatures"][0]["sig"] = "00" * 64
    path.write_text(json.dumps(document))

    role = published.signatures(repo)[2]

    assert (role.signed, len(role.unsigned)) == ((), 1)


def test_a_published_release_is_listed_and_others_are_withdrawn(rig: Rig, tmp_path: Path, repo: Path) -> None:
    made = shelf.make(rig, tmp_path)
    shelf.publish(rig, made)

    said = published.listed(repo, "app")

    assert said is not None
    assert said.standing("app", "1.1", digest_of(made.manifest), 1) == "listed"
    assert said.standing("app", "1.1", "0" * 64, 1) == "withdrawn"
    assert said.standing("app", "1.2", digest_of(made.manifest), 1) == "withdrawn"
    assert published.listed(repo, "nobody") is None


def test_what_the_policy_revokes_or_leaves_behind_is_said_so() -> None:
    digest, old = "a" * 64, "b" * 64
    said = Listed({"releases/app/1/manifest.json": digest}, Policy("app", 3, (old,)))

    assert said.standing("app", "0", old, 9) == "revoked"
    assert said.standing("app", "1", digest, 2) == "outdated"
    assert said.standing("app", "1", digest, 3) == "listed"


def test_a_repository_without_a_root_is_a_mistake_of_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        published.signatures(tmp_path)
