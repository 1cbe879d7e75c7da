"""Fetch metadata over HTTP for the TUF client: the agent's own connections, so that no server holds it for ever.

Promises: one GET per file, no redirect, no content coding; certificates are checked; a file that is not whole within
FILE_S ends as python-tuf's DownloadError, as does every other failure. How many bytes are taken is the client's limit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.ngclient import FetcherInterface
from urllib3.exceptions import HTTPError

from surefoot_agent.download.connection import Line, make_pool, watched

FILE_S = 60.0
"""A metadata file has a few kilobytes; the slowest link that can update a device at all brings it sooner."""
TIMEOUT_S = 20.0
CHUNK_BYTES = 64 * 1024


class HttpFetcher(FetcherInterface):
    """Serves one refresh; `ca_file` None means the authorities of the operating system."""

    def __init__(self, ca_file: Path | None = None, file_s: float = FILE_S) -> None:
        self._line, self._file_s = Line(), file_s
        self._pool = make_pool(ca_file, self._line, TIMEOUT_S, TIMEOUT_S)

    def _fetch(self, url: str) -> Iterator[bytes]:
        until = time.monotonic() + self._file_s
        try:
            with watched(self._line, lambda: time.monotonic() > until):
                headers = {"Accept-Encoding": "identity"}
                reply = self._pool.request("GET", url, headers=headers, redirect=False, preload_content=False)
                try:
                    if reply.status != 200:
                        raise DownloadHTTPError(f"the server answers {reply.status}", reply.status)
                    while part := reply.read1(CHUNK_BYTES, decode_content=False):
                        yield part
                finally:
                    reply.close()
        except (HTTPError, OSError) as error:
            why = f"not whole after {self._file_s:g} s" if self._line.was_cut else type(error).__name__
            raise DownloadError(f"the file cannot be fetched: {why}") from error
