"""What is known of each slot, beside it and never in it: the manifest of what was put there, the seal of what is whole.

Promises: a slot is whole only where its seal names the digest of its manifest; both are durable when a call returns,
and either that cannot be read means that nothing is known. On disk: slots/A.manifest, slots/A.sealed ({"digest": …}).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent import durable
from surefoot_agent.guard import write_file
from surefoot_shared.errors import InstallFailed, UntrustedRelease
from surefoot_shared.release import Manifest, digest_of, parse_manifest
from surefoot_shared.status import SlotName


@dataclass(frozen=True)
class Content:
    """A parsed manifest with its digest; `key` is the identity of the file it was read from."""

    key: tuple[int, int, int]
    digest: str
    manifest: Manifest


class Labels:
    """The labels of both slots of a component, in `folder`; who only reads makes none."""

    def __init__(self, folder: Path, make: bool = True) -> None:
        self._folder = folder
        self._known: dict[SlotName, Content] = {}
        if make:
            durable.make_folder(folder)

    def content(self, slot: SlotName) -> Content:
        """What the manifest of the slot says, whole or not; raises InstallFailed(slot_corrupt) without one.

        It is parsed once: each write of it makes a new inode.
        """
        file = self._file(slot, "manifest")
        try:
            key = _key(file)
            known = self._known.get(slot)
            if known is None or known.key != key:
                raw = file.read_bytes()
                beside = self._known.get(slot.other)
                manifest = parse_manifest(raw, beside.manifest.files if beside else ())
                known = self._known[slot] = Content(key, digest_of(raw), manifest)
        except OSError as error:
            raise InstallFailed("slot_corrupt", f"Slot {slot.value} has no manifest.") from error
        return known

    def raw(self, slot: SlotName) -> bytes | None:
        """The bytes of a manifest, as they were signed; None without one."""
        try:
            return self._file(slot, "manifest").read_bytes()
        except OSError:
            return None

    def remembered(self, slot: SlotName) -> Content | None:
        """What was put into the slot last, whole or not; None where that cannot be read."""
        try:
            return self.content(slot)
        except (InstallFailed, UntrustedRelease):
            return None

    def whole(self, slot: SlotName) -> Content | None:
        """What a sealed slot holds, None where seal and manifest do not agree."""
        try:
            sealed = json.loads(self._file(slot, "sealed").read_bytes())
            content = self.content(slot)
        except (OSError, ValueError, UntrustedRelease, InstallFailed):
            return None
        return content if isinstance(sealed, dict) and sealed.get("digest") == content.digest else None

    def write(self, slot: SlotName, manifest: Manifest, raw: bytes) -> None:
        """Store the manifest, of which `raw` are the bytes; the caller has unsealed the slot."""
        file = self._file(slot, "manifest")
        for left_behind in self._folder.glob(f"{slot.value}.*.tmp"):  # by a kill within write_file
            left_behind.unlink()
        if not file.is_file() or file.read_bytes() != raw:
            write_file(file, raw)
        self._known[slot] = Content(_key(file), digest_of(raw), manifest)  # parsed anew it would be in memory twice

    def seal(self, slot: SlotName) -> None:
        write_file(self._file(slot, "sealed"), json.dumps({"digest": self.content(slot).digest}).encode())

    def unseal(self, slot: SlotName) -> None:
        durable.remove(self._file(slot, "sealed"))

    def forget(self, slot: SlotName) -> None:
        """Take everything away, the seal first."""
        self.unseal(slot)
        durable.remove(self._file(slot, "manifest"))

    def _file(self, slot: SlotName, what: str) -> Path:
        return self._folder / f"{slot.value}.{what}"


class Labelled:
    """Slots that are told by their labels: whole where the seal says so, never by what the slot itself holds."""

    _labels: Labels

    def installed(self, slot: SlotName) -> Manifest | None:
        content = self._labels.whole(slot)
        return content.manifest if content else None

    def signed(self, slot: SlotName) -> bytes | None:
        return self._labels.raw(slot) if self._labels.whole(slot) else None

    def digest(self, slot: SlotName) -> str | None:
        content = self._labels.whole(slot)
        return content.digest if content else None


def _key(file: Path) -> tuple[int, int, int]:
    status = file.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size
