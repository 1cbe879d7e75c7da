"""Hands python-tuf the files of a bundle, except those that name another repository or device.

python-tuf persists each file as soon as it is verified, so a validly signed file of a neighbour must be dropped
*before* it is seen: otherwise a device could be fast-forwarded, or take the director's root for the image repository's
where keys were shared. A rewritten name breaks the signature, so nothing can pass by lying. Does no I/O and raises only
python-tuf's own download errors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.ngclient import FetcherInterface

from surefoot_shared.trust.fields import X_DEVICE, X_REPO


class ForeignFile(DownloadError):
    """The file names another repository or device; `kind` is the error kind this becomes."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class GuardedFetcher(FetcherInterface):
    """Serves one repository's files; `device` is given for the director's, whose files belong to one device."""

    def __init__(self, files: Mapping[str, str], repository: str, device: str | None) -> None:
        self._files = files
        self._repository = repository
        self._device = device

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = urlsplit(url).path.rpartition("/")[2]
        if name not in self._files:
            raise DownloadHTTPError(f"{name} is not in the bundle", 404)
        text = self._files[name]
        self._refuse_foreign(name, text)
        return iter([text.encode()])

    def _refuse_foreign(self, name: str, text: str) -> None:
        signed = _signed_part(text)
        if signed is None:
            return  # junk: python-tuf refuses it with its own, better reason
        role, repository, device = signed.get("_type"), signed.get(X_REPO), signed.get(X_DEVICE)
        if repository != self._repository and (role == "root" or repository is not None):
            raise ForeignFile("wrong_repository", f"{name} belongs to repository {str(repository)[:40]!r}.")
        if role in ("timestamp", "snapshot", "targets") and device != self._device:
            raise ForeignFile("wrong_device", f"{name} was made for device {str(device)[:70]!r}.")


def _signed_part(text: str) -> Mapping[str, object] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    signed = value.get("signed") if isinstance(value, dict) else None
    return signed if isinstance(signed, dict) else None
