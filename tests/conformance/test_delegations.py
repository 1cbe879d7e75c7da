"""Family "delegations": pre-order, terminating or not, cycles, diamonds; each edge is verified with its own keys."""

from __future__ import annotations

from itertools import pairwise

import pytest
from securesystemslib.signer import CryptoSigner

from tests.conformance.conftest import Client
from tests.conformance.repository import Repository

Edge = tuple[str, str, tuple[str, ...], bool]


def edge(parent: str, name: str, *paths: str, terminating: bool = False) -> Edge:
    return parent, name, paths or ("*",), terminating


GRAPHS: dict[str, tuple[tuple[Edge, ...], list[str]]] = {
    "chain": ((edge("targets", "A"), edge("A", "B"), edge("B", "C")), ["A", "B", "C"]),
    "brothers": ((edge("targets", "A"), edge("targets", "B"), edge("A", "C")), ["A", "C", "B"]),
    "terminating": ((edge("targets", "A", terminating=True), edge("targets", "B"), edge("A", "C")), ["A", "C"]),
    "terminating below": (
        (edge("targets", "A"), edge("targets", "B"), edge("A", "C", terminating=True), edge("A", "D")),
        ["A", "C"],
    ),
    "not my path": ((edge("targets", "A", "other/*"), edge("targets", "B")), ["B"]),
    "parent has not my path": ((edge("targets", "A", "other/*"), edge("A", "B")), []),
    "cycle": ((edge("targets", "A"), edge("A", "B"), edge("B", "A")), ["A", "B"]),
    "itself": ((edge("targets", "A"), edge("A", "A")), ["A"]),
    "diamond": ((edge("targets", "A"), edge("targets", "B"), edge("A", "C"), edge("B", "C")), ["A", "C", "B"]),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_roles_are_visited_in_the_order_of_the_specification(client: Client, repository: Repository, name: str) -> None:
    edges, expected = GRAPHS[name]
    for parent, role, paths, terminating in edges:
        repository.delegate(parent, role, paths, terminating=terminating)
    repository.publish("targets", *repository.delegated)
    client.refresh()
    repository.requests()

    assert client.download("missing") == 1
    asked = [request.split(".")[1] for request in repository.requests()[2:]]
    assert asked == expected
    assert client.artifacts() == []


def test_the_most_trusted_role_wins(client: Client, repository: Repository) -> None:
    for name in ("A", "B"):
        repository.delegate("targets", name, ["*"])
        repository.add_target("file", name.encode(), name)
    repository.publish("targets", "A", "B")

    assert client.download("file") == 0
    assert client.artifacts() == [b"A"]


def test_a_role_lists_only_what_it_was_delegated(client: Client, repository: Repository) -> None:
    repository.delegate("targets", "A", ["a/*"])
    repository.add_target("b/file", b"b", "A")
    repository.publish("targets", "A")

    assert client.download("b/file") == 1


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("a/*", "a/file", True),
        ("a/*", "a/b/file", False),
        ("*/file", "a/file", True),
        ("a?c", "abc", True),
        ("a/*.txt", "a/file.bin", False),
        ("", "file", False),
    ],
)
def test_a_pattern_matches_part_by_part(
    client: Client, repository: Repository, pattern: str, path: str, found: bool
) -> None:
    repository.delegate("targets", "A", [pattern])
    repository.add_target(path, b"x", "A")
    repository.publish("targets", "A")

    assert client.download(path) == (0 if found else 1)


def test_a_diamond_is_verified_with_the_keys_of_each_edge(client: Client, repository: Repository) -> None:
    """A trusts C's key and B another one: C's file, loaded through A, must not serve below B."""
    repository.delegate("targets", "A", ["*"])
    repository.delegate("targets", "B", ["*"])
    repository.delegate("A", "C", ["file"])
    genuine = repository.signers.pop("C")
    repository.delegate("B", "C", ["*"])
    repository.signers["C"] = genuine
    repository.add_target("file", b"file", "C")
    repository.add_target("x", b"x", "C")
    repository.publish("targets", "A", "B", "C")

    assert client.download("file", "x") == 1
    assert client.artifacts() == [b"file"]


def test_a_kept_role_is_verified_again_by_its_current_delegator(client: Client, repository: Repository) -> None:
    repository.delegate("targets", "A", ["*"])
    repository.add_target("x", b"x", "A")
    repository.publish("targets", "A")
    assert client.download("x") == 0
    repository.signers["A"] = [CryptoSigner.generate_ed25519()]
    targets = repository.targets.delegations
    assert targets is not None
    repository.delegate("targets", "A", ["*"])
    repository.publish("targets")  # the delegation names another key; the role's file stays as it was

    assert client.download("x") == 1


def test_a_role_that_the_snapshot_does_not_name_is_refused(client: Client, repository: Repository) -> None:
    repository.delegate("targets", "A", ["*"])
    repository.add_target("x", b"x", "A")
    held = repository.delegated
    repository.publish("targets", "A")
    repository.delegated = {}
    del repository.snapshot.meta["A.json"]
    repository.publish("snapshot")
    repository.delegated = held

    assert client.download("x") == 1


def test_delegations_are_only_followed_so_deep(client: Client, repository: Repository) -> None:
    names = ["targets", *(f"r{number:02}" for number in range(40))]
    for parent, name in pairwise(names):
        repository.delegate(parent, name, ["*"])
    repository.add_target("deep", b"x", names[-1])
    repository.publish(*names)

    assert client.download("deep") == 1
    assert client.download("deep") == 1


@pytest.mark.parametrize("name", ["../up", "a/b", ".", "..", "%2e%2e", "ünïcode", "a b", "con:1", "timestamp.x"])
def test_strange_role_names_stay_inside_the_folder(client: Client, repository: Repository, name: str) -> None:
    """Family "quoting"."""
    outside = set(client.metadata_dir.parent.iterdir())
    repository.delegate("targets", name, ["*"])
    repository.add_target("x", b"x", name)
    repository.publish("targets", name)

    assert client.download("x") == 0
    assert set(client.metadata_dir.parent.iterdir()) == outside
    assert client.artifacts() == [b"x"]
