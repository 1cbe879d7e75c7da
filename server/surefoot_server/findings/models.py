"""Rows about what releases are made of: documents, parts, what is known of these, and what persons waived.

Promises: parts are those of the bill whose digest the signed manifest carries; a waiver is added and withdrawn, never
changed. Vulnerabilities are a copy of what was imported and may be replaced by a newer one.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from surefoot_server.db import UtcDateTime


class ReleaseDocument(SQLModel, table=True):
    """A document that belongs to a release; its bytes are a blob."""

    __tablename__ = "release_document"
    release_id: str = Field(primary_key=True, foreign_key="release.id")
    kind: str = Field(primary_key=True, max_length=16)
    """sbom (its digest is in the signed manifest) or provenance (its subject is the release's digest)."""
    sha256: str = Field(max_length=64)
    at: datetime = Field(sa_type=UtcDateTime)
    by: str


class BillPart(SQLModel, table=True):
    """One part of a release's bill of materials."""

    __tablename__ = "bill_part"
    id: int | None = Field(default=None, primary_key=True)
    release_id: str = Field(foreign_key="release.id", index=True)
    name: str
    version: str
    purl: str
    ecosystem: str = Field(max_length=32)
    package: str

    __table_args__ = (sa.Index("ix_bill_part_place", "ecosystem", "package"),)


class KnownVulnerability(SQLModel, table=True):
    """One imported OSV record about one package."""

    __tablename__ = "known_vulnerability"
    id: int | None = Field(default=None, primary_key=True)
    osv_id: str = Field(index=True, max_length=80)
    ecosystem: str = Field(max_length=32)
    package: str
    aliases: list[str] = Field(default_factory=list, sa_type=sa.JSON)
    summary: str = ""
    severity: str = Field(max_length=16)
    score: float | None = None
    ranges: list[list[list[str]]] = Field(default_factory=list, sa_type=sa.JSON)
    versions: list[str] = Field(default_factory=list, sa_type=sa.JSON)

    __table_args__ = (sa.Index("ix_known_vulnerability_place", "ecosystem", "package"),)


class AdvisorySource(SQLModel, table=True):
    """How fresh the data of one ecosystem are: `newest` is when its newest record was changed at its source."""

    __tablename__ = "advisory_source"
    ecosystem: str = Field(primary_key=True, max_length=32)
    newest: datetime = Field(sa_type=UtcDateTime)
    imported_at: datetime = Field(sa_type=UtcDateTime)
    imported_by: str
    file: str


class FindingWaiver(SQLModel, table=True):
    """A person took a finding, or the lack of a document, upon themselves, for one release."""

    __tablename__ = "finding_waiver"
    id: int | None = Field(default=None, primary_key=True)
    release_id: str = Field(foreign_key="release.id", index=True)
    about: str = Field(max_length=80)
    """Any name of a finding; or sbom, provenance, builder, scan."""
    reason: str
    at: datetime = Field(sa_type=UtcDateTime)
    by: str
    until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    withdrawn_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    withdrawn_by: str = ""


class FindingTold(SQLModel, table=True):
    """A finding that was known of a release before: what is not here is news."""

    __tablename__ = "finding_told"
    release_id: str = Field(primary_key=True, foreign_key="release.id")
    about: str = Field(primary_key=True, max_length=80)
