"""Rows of findings."""

from __future__ import annotations

from surefoot_server.findings.models import FindingWaiver, ReleaseDocument


def test_a_document_is_known_by_its_digest_and_a_waiver_has_a_reason_and_a_person() -> None:
    assert ReleaseDocument.model_fields["sha256"].is_required()
    assert FindingWaiver.model_fields["reason"].is_required()
    assert FindingWaiver.model_fields["by"].is_required()
