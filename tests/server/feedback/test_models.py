"""Rows of flags and hooks: what is kept of a secret, and what stands."""

from __future__ import annotations

from surefoot_server.feedback.models import Advisory, Flag, Hook


def test_a_hook_keeps_no_secret_and_nothing_stands_withdrawn_at_first() -> None:
    assert "secret_hash" in Hook.model_fields
    assert "secret" not in Hook.model_fields
    assert Flag.model_fields["withdrawn_at"].default is None
    assert Advisory.model_fields["withdrawn_at"].default is None
