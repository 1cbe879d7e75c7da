"""The row of a saved policy."""

from __future__ import annotations

from surefoot_server.policies.models import SavedPolicy


def test_a_saved_policy_says_who_changed_it_and_when() -> None:
    assert {"text", "changed_at", "changed_by"} <= set(SavedPolicy.model_fields)
    assert SavedPolicy.model_fields["text"].is_required()
