"""The evidence pack: what is on record about a release as one archive that a person and a program can read; pure.

Promises: the same facts and documents give the same bytes; SHA256SUMS lists every other file, in the form that
`sha256sum -c` takes. Refuses to judge: the summary says what is there, and says so where something is not.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from surefoot_server.evidence.facts import Facts

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that an archive can name; the real ones stand in the facts."""
NAMES = {"sbom": "sbom.cdx.json", "provenance": "provenance.json"}


def pack(facts: Facts, documents: Mapping[str, bytes]) -> bytes:
    """`documents`: file name → bytes, beside the facts and their summary."""
    written = json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    files = {**documents, "evidence.json": written.encode(), "summary.md": summary(facts).encode()}
    sums = "".join(f"{hashlib.sha256(raw).hexdigest()}  {name}\n" for name, raw in sorted(files.items()))
    files["SHA256SUMS"] = sums.encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name, raw in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr, entry.create_system = 0o644 << 16, 3
            archive.writestr(entry, raw)
    return made.getvalue()


def summary(facts: Mapping[str, Any]) -> str:
    """The facts for a person, as Markdown."""
    release, signed, scan = facts["release"], facts["signatures"], facts["scan"]
    parts = [
        f"# Evidence for {_text(release['id'])}",
        _list(
            [
                f"digest: `{release['digest']}` (sha256 of manifest.json)",
                f"for: {', '.join(release['hw'])}; counter {release['counter']}, svn {release['svn']}",
                f"published: {release['published_at']} by {_text(release['published_by'])}",
                f"notes: {_text(release['notes']) or 'none'}",
                f"signatures: {len(signed['signed'])} of {signed['threshold']} needed on {signed['role']} version "
                f"{signed['version']}, valid until {signed['expires']}; "
                + ("it lists this release" if signed["listed"] else "it does not list this release any more"),
            ]
        ),
        "## Documents",
        _table(("kind", "sha256", "stored", "by"), _rows(facts["documents"], "kind", "sha256", "at", "by")),
        _provenance(facts["provenance"]),
        "## Channels",
        _table(("channel", "promoted", "by", "shown"), [_entry(e) for e in facts["channels"]]),
        "## Tests and acceptances",
        _table(
            ("channel", "kind", "name", "result", "at", "by", "note"),
            [
                (t["channel"], t["kind"], t["name"], "passed" if t["passed"] else "failed", t["at"], t["by"], t["note"])
                for t in facts["tests"]
            ],
        ),
        "## Rollouts",
        *(part for rollout in facts["rollouts"] for part in _rollout(rollout)),
        *([] if facts["rollouts"] else ["None."]),
        "## Last drill",
        _drill(facts["drill"]),
        "## Known vulnerabilities",
        f"{scan['judged']} of {scan['parts']} parts could be looked up, in "
        + (", ".join(f"{a['ecosystem']} as of {a['newest']}" for a in scan["advisories"]) or "no advisories")
        + ".",
        _table(
            ("finding", "severity", "package", "version", "waived"),
            [
                (f["ids"][0], f["severity"], f["package"], f["version"], "yes" if f["waived"] else "no")
                for f in scan["findings"]
            ],
        ),
        "## Waivers",
        _table(
            ("about", "reason", "by", "at", "until", "withdrawn"),
            _rows(facts["waivers"], "about", "reason", "by", "at", "until", "withdrawn_at"),
        ),
        "## Advisories and flags",
        _table(
            ("at", "by", "said", "withdrawn"),
            _rows([*facts["advisories"], *facts["flags"]], "at", "by", "reason", "withdrawn_at"),
        ),
        f"The audit trail has {len(facts['audit'])} rows about this release and its rollouts; they are in "
        "evidence.json with their hashes.",
    ]
    return "\n\n".join(parts) + "\n"


def _provenance(found: Mapping[str, Any] | None) -> str:
    """What the statement is worth; that a builder is only claimed is said where nobody vouches for it."""
    if found is None:
        return "There is no provenance statement."
    verified = found["standing"] == "verified"
    builder = f" Builder{'' if verified else ', as it claims'}: {_text(found['builder'])}." if found["builder"] else ""
    kind = f" Predicate: {_text(found['predicate_type'])}." if found["predicate_type"] else ""
    return f"Provenance: {_text(found['told'])}.{kind}{builder}"


def _entry(entry: Mapping[str, Any]) -> tuple[str, str, str, str]:
    shown = "; ".join(f"{a['requirement']}: {a['said']}" for a in entry["evidence"])
    return entry["channel"], entry["at"], entry["by"], shown


def _rollout(rollout: Mapping[str, Any]) -> list[str]:
    phases = [
        (p["name"], p["members"], p["state"], p["verdict"] or "", p["ended_at"] or "", p["reason"])
        for p in rollout["phases"]
    ]
    names = {number: p["name"] for number, p in enumerate(rollout["phases"])}
    approvals = [(names.get(a["phase"], "the rollout"), a["actor"], a["at"], a["reason"]) for a in rollout["approvals"]]
    outcomes = ", ".join(f"{number} {name}" for name, number in sorted(rollout["tally"].items())) or "none yet"
    return [
        f"### {rollout['id']}: {rollout['state']}",
        *([f"As one set: {', '.join(_member(each) for each in rollout['set'])}."] if rollout["set"][1:] else []),
        f"To {_text(rollout['cohort'])}, begun {rollout['created_at']} by {_text(rollout['created_by'])}, ended "
        f"{rollout['ended_at'] or 'not yet'}. Outcomes: {outcomes}. {_text(rollout['reason'])}".rstrip(),
        _table(("phase", "devices", "state", "verdict", "ended", "reason"), phases),
        "Approvals:",
        _table(("of", "by", "at", "reason"), approvals),
    ]


def _member(member: Mapping[str, str]) -> str:
    return f"{_text(member['release'])} (`{member['digest']}`)"


def _drill(drill: Mapping[str, Any] | None) -> str:
    if drill is None:
        return "None."
    reverts = [d["revert_s"] for d in drill["devices"] if d["revert_s"] is not None]
    longest = f"; the slowest of {len(reverts)} devices was back within {max(reverts):.0f} s" if reverts else ""
    return f"{drill['id']} of {drill['started_at']}: {drill['state']}{longest}. {_text(drill['reason'])}".rstrip()


def _rows(found: Sequence[Mapping[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(each[name] or "" for name in names) for each in found]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    body = [f"| {' | '.join(_text(cell) for cell in row)} |" for row in rows]
    if not body:
        return "None."
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *body])


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _text(value: object) -> str:
    """On one line, and nothing in it draws a table or a tag."""
    plain = " ".join(str(value).split())
    return plain.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
