"""Whatever the release says, a new agent must be able to verify what its device holds."""

from __future__ import annotations

import pytest

from surefoot_agent.itself.health import TRUST, OwnHealth
from surefoot_agent.ports import Suite
from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.status import Check
from tests.agent.fakes import FRAME, FakeHealth
from tests.agent.trees import release


def refuse() -> None:
    raise UntrustedRelease("bundle_malformed", "The verification could not cope.")


@pytest.fixture
def suite() -> Suite:
    return OwnHealth(FakeHealth(), lambda: None).suite(release({"x": b""}, checks=(FRAME,)))


def test_the_check_is_required_beside_those_of_the_release(suite: Suite) -> None:
    assert [check.name for check in suite.checks] == ["camera", "trust"]
    assert suite.checks[-1].required


def test_it_passes_where_the_rehearsal_does_and_fails_with_its_words_where_not(suite: Suite) -> None:
    (good,) = OwnHealth(FakeHealth(), lambda: None).run(suite, {}, {TRUST.name})[-1:]
    (bad,) = OwnHealth(FakeHealth(), refuse).run(suite, {}, {TRUST.name})[-1:]

    assert (good.result, bad.result) == (Check.PASS, Check.FAIL)
    assert bad.message == "The verification could not cope."


def test_where_others_are_asked_for_it_is_not_run(suite: Suite) -> None:
    found = OwnHealth(FakeHealth(), refuse).run(suite, {}, {"camera"})

    assert [result.name for result in found] == ["camera"]


def test_the_baseline_is_that_of_the_others() -> None:
    assert OwnHealth(FakeHealth(), refuse).baseline(release({"x": b""})) == {"fps": 25.0}
