"""Keys of builders: those that lie there now count, and nothing else does."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from surefoot_server.findings import service
from surefoot_server.findings.builders import Builders, trusting_nobody
from surefoot_server.findings.dsse import KEYS
from surefoot_server.findings.provenance import Attested, Standing
from surefoot_shared.wire import Json
from tests.server.findings.bills import Private, envelope, lay, pem, statement
from tests.server.rig import NOW, Rig, digest

CI, LAB = Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())


def attest(rig: Rig, *keys: Private, said: dict[str, Json] | None = None) -> str:
    rig.release("app/1.1")
    raw = envelope(said or statement(digest("app/1.1")), *keys)
    with rig.db.write() as session:
        return service.attest(session, rig.state.blobs, "app/1.1", raw, "ci", NOW).sha256


def worth(rig: Rig) -> Attested | None:
    with rig.db.read() as session:
        return rig.state.builders.judge(session, "app/1.1")


def test_a_key_counts_from_when_it_is_there_until_it_is_taken_away(rig: Rig) -> None:
    attest(rig, CI, LAB)

    before = worth(rig)
    ci, _ = lay(rig, "ci", CI), lay(rig, "lab", LAB)
    both = worth(rig)
    ci.unlink()
    after = worth(rig)

    assert [found.told if found else "" for found in (before, both, after)] == [
        "its signature is by no known key",
        "verified by ci, lab",
        "verified by lab",
    ]


def test_a_release_without_a_statement_is_worth_nothing_in_particular(rig: Rig) -> None:
    rig.release("app/1.1")

    assert worth(rig) is None


def test_a_statement_that_the_disk_changed_or_lost_is_unreadable(rig: Rig) -> None:
    path = rig.state.blobs.path(attest(rig, CI))
    lay(rig, "ci", CI)
    whole = path.read_bytes()

    path.chmod(0o644)
    path.write_bytes(whole + b" ")
    changed = worth(rig)
    path.unlink()
    lost = worth(rig)

    assert changed == lost == Attested(Standing.UNREADABLE)


def test_a_file_that_is_no_key_is_named_and_changes_nothing_for_the_others(rig: Rig) -> None:
    attest(rig, CI)
    folder = lay(rig, "ci", CI).parent
    (folder / "a.pem").write_text("no key")
    (folder / "b.pem").mkdir()
    (folder / "readme.txt").write_text("not looked at")

    assert worth(rig) == Attested(
        Standing.VERIFIED, ("ci",), "https://slsa.dev/provenance/v1", "https://ci.example/builder", 1
    )
    assert rig.state.builders.problems() == [
        "The key builders/a.pem is not used: it is no public key in PEM.",
        "The key builders/b.pem is not used: Is a directory.",
    ]


def test_more_keys_than_the_limit_are_named(rig: Rig, tmp_path: Path) -> None:
    for number in range(KEYS + 1):
        (tmp_path / f"k{number:02}.pem").write_bytes(pem(CI))

    builders = Builders(tmp_path, rig.state.blobs)

    assert len(builders.keys()) == KEYS
    assert builders.problems() == [f"The key builders/k{KEYS}.pem is not used: {KEYS} come before it."]


def test_whoever_knows_no_builder_trusts_none(rig: Rig) -> None:
    attest(rig, CI)
    lay(rig, "ci", CI)

    with rig.db.read() as session:
        assert trusting_nobody(session, "app/1.1") == Attested(Standing.UNKNOWN)
        assert trusting_nobody(session, "app/1.0") is None
