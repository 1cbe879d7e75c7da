"""Lists in pages: `limit` and `cursor` on every list, and where the next page begins in the answer's headers.

Promises: the order is stable, and a page begins after the last item of the one before, wherever items came or went
meanwhile: none is shown twice, none that stayed is left out. A cursor is opaque and belongs to its list: one of another
list, or one that somebody wrote, is malformed. The body stays the plain list, so that nobody who wants one page has to
unwrap it. Source of `Link: …; rel="next"`: RFC 8288.
"""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Path, Query, Request, Response

from surefoot_shared.errors import Invalid

T = TypeVar("T")
Key = str | int
NEXT = "Next-Cursor"
MOST, USUAL = 5000, 1000
CURSOR_CHARACTERS = 600
GREATEST = (1 << 63) - 1
"""Number of a row; no database takes a greater one."""

RowId = Annotated[int, Path(ge=1, le=GREATEST)]
"""A row's number in an address."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a caller wants of a list; `after` is the key of the last item it has."""

    request: Request
    response: Response
    limit: int
    after: Key | None

    @property
    def number(self) -> int | None:
        """`after` of a list that is ordered by numbers; raises Invalid for another list's cursor."""
        if isinstance(self.after, str):
            raise _strange()
        return self.after

    @property
    def text(self) -> str:
        """`after` of a list that is ordered by names; "" for the first page."""
        if isinstance(self.after, int):
            raise _strange()
        return self.after or ""

    def cut(self, rows: Sequence[T], key: Callable[[T], Key]) -> list[T]:
        """Of `limit` + 1 rows after `after`, give the first `limit`, and say where the rest begins."""
        shown = list(rows[: self.limit])
        if len(rows) > self.limit:
            cursor = _written(self.request.url.path, key(shown[-1]))
            self.response.headers[NEXT] = cursor
            url = self.request.url.include_query_params(cursor=cursor)
            self.response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
        return shown

    def of(self, rows: Iterable[T], key: Callable[[T], Key], *, newest_first: bool = False) -> list[T]:
        """The page of a whole list, ordered by its key."""
        keyed = sorted(((key(row), row) for row in rows), key=lambda each: each[0], reverse=newest_first)
        after = self.after
        if after is not None and keyed and type(after) is not type(keyed[0][0]):
            raise _strange()
        if after is not None:
            keyed = [(k, row) for k, row in keyed if (k < after if newest_first else k > after)]  # type: ignore[operator]  # one type, as was looked at
        return self.cut([row for _, row in keyed[: self.limit + 1]], key)


def pages(usual: int = USUAL, most: int = MOST) -> Callable[..., Page]:
    """Dependency of a list with so many items a page; it raises Invalid for a cursor that is none of this list's."""

    def page(
        request: Request,
        response: Response,
        limit: Annotated[int, Query(ge=1, le=most, description="Items of one page")] = usual,
        cursor: Annotated[
            str, Query(max_length=CURSOR_CHARACTERS, description=f"`{NEXT}` of the page before; empty: the first page")
        ] = "",
    ) -> Page:
        return Page(request, response, limit, _read(request.url.path, cursor) if cursor else None)

    return page


Paged = Annotated[Page, Depends(pages())]


def _written(path: str, key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps([path, key]).encode()).decode().rstrip("=")


def _read(path: str, cursor: str) -> Key:
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        raise _strange() from None
    if not isinstance(found, list) or len(found) != 2 or found[0] != path:
        raise _strange()
    key = found[1]
    if isinstance(key, bool) or not isinstance(key, (str, int)) or (isinstance(key, int) and abs(key) > GREATEST):
        raise _strange()
    return key


def _strange() -> Invalid:
    return Invalid("malformed", "The cursor is none of this list's.", f"Take it from {NEXT} of the page before.")
