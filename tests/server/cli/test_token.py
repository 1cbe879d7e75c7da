"""`surefoot token`: shown once, listed without its text, ended by its name."""

from __future__ import annotations

from tests.server.cli.conftest import Operator


def test_a_token_stands_alone_on_stdout_and_opens_what_it_says(surefoot: Operator) -> None:
    made = surefoot("token", "create", "ci", "--role", "releaser", "--valid", "30d")

    assert made.out.startswith("sf_")
    assert "releaser over the fleet until" in made.err
    assert made.out.strip() not in surefoot("token", "list", "--json").out
    assert "ci" in surefoot("token", "list").out


def test_a_token_of_a_cohort_is_listed_with_it(surefoot: Operator) -> None:
    surefoot("cohort", "create", "lab", "all")

    surefoot("token", "create", "ci", "--role", "operator", "--scope", "cohort:lab")

    assert "operator  cohort:lab" in surefoot("token", "list").out


def test_a_token_is_revoked_by_its_name(surefoot: Operator) -> None:
    surefoot("token", "create", "ci")

    assert surefoot("token", "revoke", "ci").out == "Token ci is revoked.\n"
    assert surefoot("token", "revoke", "nobody").code == 3


def test_a_scope_that_is_not_there_is_named(surefoot: Operator) -> None:
    refused = surefoot("token", "create", "ci", "--scope", "cohort:nowhere")

    assert refused.code == 3
    assert "nowhere" in refused.err
