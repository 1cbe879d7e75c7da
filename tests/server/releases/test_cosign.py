"""Two of three people release: on two machines, by files, each seeing what the signature says before making it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import Delegations, Metadata, Targets

from surefoot_server.keys.layout import KeyFolder, versions_of
from surefoot_server.releases.build import build_release, read_release
from surefoot_server.releases.cosign import cosign_release, review
from surefoot_server.releases.recipe import Recipe
from surefoot_server.releases.sign import refuse_unfinished, sign_release
from surefoot_shared.errors import ConfigError, Conflict, UntrustedRelease
from surefoot_shared.trust.policy import Policy
from surefoot_shared.trust.repository import policy_target
from surefoot_shared.trust.signing import sign
from tests.server.keys.fleet import HW, NOW, PASSPHRASE, Fleet
from tests.server.keys.people import People, gathered


@pytest.fixture
def people(tmp_path: Path) -> People:
    return gathered(tmp_path)


def built(people: People, version: str = "1.1", text: str = "x") -> Path:
    tree = people.folder / f"tree-{version}-{text}"
    tree.mkdir()
    (tree / "file").write_text(text)
    recipe = Recipe("app", version, int(version.replace(".", "")), hw=(HW,))
    return build_release(tree, recipe, people.folder / f"release-{version}-{text}").folder


def signed(people: People, who: str = "first", version: str = "1.1", text: str = "x") -> Path:
    out = built(people, version, text)
    sign_release(out, people.main, PASSPHRASE, NOW, offline=(people.stick(who),))
    return out


def carried(people: People, out: Path, to: str) -> Path:
    """The release folder as it arrives on somebody's machine."""
    people.machine(to)
    return shutil.copytree(out, people.folder / "machines" / to / out.name)


def cosigned(people: People, out: Path, who: str) -> Path:
    cosign_release(out, people.machine(who), PASSPHRASE, NOW, offline=(people.stick(who),))
    return out


def test_the_first_signature_is_not_enough_and_says_whose_are_missing(people: People) -> None:
    out = built(people)

    done = sign_release(out, people.main, PASSPHRASE, NOW, offline=(people.stick("first"),))

    assert done.standing.missing == 1
    assert done.standing.may_sign == ("image-release-2", "image-release-3")
    assert json.loads((out / "role.json").read_text())["x-missing"] == 1


def test_below_the_threshold_neither_we_nor_a_server_take_it(people: People, tmp_path: Path) -> None:
    out = signed(people)
    online = Fleet.serving(people.main, tmp_path / "data")

    with pytest.raises(UntrustedRelease) as ours:
        refuse_unfinished(read_release(out))
    with pytest.raises(UntrustedRelease) as theirs:
        online.accept_release((out / "role.json").read_bytes(), (out / "manifest.json").read_bytes())

    assert ours.value.kind == theirs.value.kind == "signatures_missing"
    assert "1 of 2 signatures" in ours.value.message
    assert "image-release-2" in ours.value.message


def test_the_second_person_completes_it_on_another_machine(people: People, tmp_path: Path) -> None:
    out = cosigned(people, carried(people, signed(people), "second"), "second")

    refuse_unfinished(read_release(out))
    online = Fleet.serving(people.main, tmp_path / "data")

    assert (
        online.accept_release((out / "role.json").read_bytes(), (out / "manifest.json").read_bytes()).version == "1.1"
    )


def test_the_cosigner_signs_the_same_bytes(people: People) -> None:
    out = signed(people)
    before = Metadata[Targets].from_bytes((out / "role.json").read_bytes()).signed_bytes

    cosigned(people, out, "second")

    assert Metadata[Targets].from_bytes((out / "role.json").read_bytes()).signed_bytes == before


def test_what_the_signature_would_say_is_told_before(people: People) -> None:
    cosigned(people, signed(people, version="1.0"), "second")
    out = signed(people, version="1.1")

    seen = review(out, people.machine("second"), NOW)

    assert (seen.role_version, seen.known_version) == (3, 2)
    assert seen.added == ("releases/app/1.1/manifest.json",)
    assert seen.removed == ()
    assert seen.signed == ("image-release-1",)


def test_the_cosigners_machine_remembers_what_was_signed(people: People) -> None:
    cosigned(people, signed(people), "second")

    assert versions_of(KeyFolder(people.machine("second")).image, "rel-app") == [1, 2]


def test_signing_twice_with_one_key_is_said_and_changes_nothing(people: People) -> None:
    out = signed(people)
    before = (out / "role.json").read_bytes()

    with pytest.raises(Conflict) as caught:
        cosign_release(out, people.main, PASSPHRASE, NOW, offline=(people.stick("first"),))

    assert "image-release-2" in caught.value.message
    assert (out / "role.json").read_bytes() == before


def test_one_of_several_keys_can_be_chosen(people: People, tmp_path: Path) -> None:
    out = signed(people)

    done = cosign_release(
        out, people.main, PASSPHRASE, NOW,
        offline=tuple(people.stick(name) for name in ("first", "second", "third")), key="image-release-3",
    )  # fmt: skip

    assert done.standing.signed == ("image-release-1", "image-release-3")


def test_a_manifest_that_was_exchanged_on_the_way_is_not_signed(people: People) -> None:
    out, other = signed(people), built(people, version="1.1", text="evil")
    shutil.copytree(other / "blobs", out / "blobs", dirs_exist_ok=True)
    shutil.copy(other / "manifest.json", out / "manifest.json")

    with pytest.raises(UntrustedRelease) as caught:
        cosigned(people, out, "second")

    assert caught.value.kind == "target_mismatch"


def test_a_release_that_changed_its_bytes_since_it_was_known_here_is_not_signed(people: People) -> None:
    cosigned(people, signed(people, version="1.0"), "second")
    elsewhere = gathered(people.folder / "elsewhere")
    out = signed(people, version="1.1")
    role = json.loads((out / "role.json").read_text())
    role["signed"]["targets"]["releases/app/1.0/manifest.json"]["hashes"]["sha256"] = "0" * 64
    (out / "role.json").write_text(json.dumps(role))

    with pytest.raises(Conflict):
        cosigned(people, out, "second")

    assert elsewhere.main.exists()


def test_a_top_level_with_the_thieves_keys_in_it_is_refused(people: People) -> None:
    thieves = gathered(people.folder / "thieves")
    out = signed(people)
    shutil.copy(KeyFolder(thieves.main).image / "1.targets.json", out / "targets.json")

    with pytest.raises(UntrustedRelease) as caught:
        cosigned(people, out, "second")

    assert caught.value.kind == "metadata_untrusted"


def test_an_expired_top_level_is_not_built_upon(people: People) -> None:
    out = signed(people)

    with pytest.raises(UntrustedRelease) as caught:
        review(out, people.machine("second"), NOW + timedelta(days=400))

    assert caught.value.kind == "metadata_expired"


def test_a_machine_without_a_key_says_where_it_looked(people: People, tmp_path: Path) -> None:
    out = signed(people)

    with pytest.raises(ConfigError) as caught:
        cosign_release(out, people.machine("second"), PASSPHRASE, NOW, offline=(tmp_path / "empty",))

    assert str(tmp_path / "empty") in caught.value.message


def test_two_roles_of_one_version_are_never_mixed(people: People) -> None:
    first = carried(people, signed(people, version="1.1"), "second")
    for path in KeyFolder(people.main).image.glob("2.rel-app.json"):
        path.unlink()
    second = signed(people, version="1.2")
    cosigned(people, first, "second")

    with pytest.raises(UntrustedRelease, match="Two different files"):
        cosigned(people, second, "second")


def rewritten(people: People, out: Path, change: Callable[[Targets], object]) -> Path:
    """Somebody with one release key of three wrote the role that the next person is asked to sign."""
    role = Metadata[Targets].from_bytes((out / "role.json").read_bytes()).signed
    change(role)
    (out / "role.json").write_bytes(sign(role, ()))
    return out


def test_a_release_that_was_known_here_cannot_become_one_for_other_hardware(people: People) -> None:
    cosigned(people, signed(people, version="1.0"), "second")

    def widened(role: Targets) -> None:
        role.targets["releases/app/1.0/manifest.json"].unrecognized_fields["custom"]["hw"] = [HW, "other"]

    with pytest.raises(Conflict, match="for others"):
        review(rewritten(people, signed(people, version="1.1"), widened), people.machine("second"), NOW)


def test_a_policy_that_rides_on_a_release_is_shown_in_full(people: People) -> None:
    cosigned(people, signed(people, version="1.0"), "second")
    policy = policy_target(Policy("app", min_svn=3))
    out = rewritten(people, signed(people, version="1.1"), lambda role: role.targets.update({policy.path: policy}))

    seen = review(out, people.machine("second"), NOW)

    assert len(seen.demands) == 1
    assert seen.demands[0].startswith("policy/app.json says {")
    assert '"min_svn":3' in seen.demands[0]


def test_until_when_a_signature_counts_is_told(people: People) -> None:
    far = NOW + timedelta(days=3650)
    out = rewritten(people, signed(people), lambda role: setattr(role, "expires", far))

    assert review(out, people.machine("second"), NOW).expires == far


def test_a_role_that_hands_releases_on_to_another_key_is_not_signed(people: People) -> None:
    out = rewritten(people, signed(people), lambda role: setattr(role, "delegations", Delegations({}, {})))

    with pytest.raises(UntrustedRelease, match="more than can be shown"):
        review(out, people.machine("second"), NOW)


@pytest.mark.parametrize("name", ["role.json", "targets.json"])
def test_a_release_folder_that_was_cut_short_on_its_way_is_said_in_one_sentence(people: People, name: str) -> None:
    out = signed(people)
    (out / name).write_bytes((out / name).read_bytes()[:300])

    for act in (lambda: review(out, people.machine("second"), NOW), lambda: refuse_unfinished(read_release(out))):
        with pytest.raises(UntrustedRelease) as caught:
            act()
        assert caught.value.kind == "metadata_untrusted"
