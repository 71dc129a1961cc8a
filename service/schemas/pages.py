"""Pages of lists: opaque tokens that hold where the next page begins.

A token names the last row's sort key, so that rows that come or go meanwhile neither repeat nor hide others. It is
signed with the digest of the caller's own bearer token, together with the call and its filters: every replica can check
it, and one made for other filters does not fit. Whoever has the bearer token can compute its digest, and so make page
tokens up: what is in one is looked at as anything else that a client sends.
"""

import dataclasses
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar, runtime_checkable

import orjson

from service.errors import InvalidArgument
from service.repositories.ordering import ColumnType, Order, Orders, Rows, Span, Total
from service.repositories.revisions import ReadVersion
from service.values import base64url
from service.values.ids import UUID_TEXT
from service.values.instants import parse_instant

Item = TypeVar("Item")

DEFAULT_PAGE_SIZE: Final = 100
"""Rows of a page for which no size is given, of the lists that never answer everything at once."""

Part = Callable[[object], bool]
"""A check of one part of a sort key, as JSON has it."""


def is_text(value: object) -> bool:
    """Return whether a value is a text that PostgreSQL can hold."""
    return isinstance(value, str) and "\0" not in value


def is_uuid(value: object) -> bool:
    """Return whether a value is a UUID in its one canonical form."""
    return isinstance(value, str) and UUID_TEXT.fullmatch(value) is not None


def is_instant(value: object) -> bool:
    """Return whether a value is a time within the bounds of instants.py."""
    try:
        parse_instant(value)
    except ValueError:
        return False
    return True


def is_number(value: object) -> bool:
    """Return whether a value is a whole number that PostgreSQL can hold."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


_SIGNATURE: Final = 16
_NOT_FILTERS: Final = ("page_size", "page_token", "total")
_PARTS: Final[dict[ColumnType, Part]] = {
    "text": is_text,
    "timestamptz": is_instant,
    "uuid": is_uuid,
    "bigint": is_number,
}
"""The check of each part of a key, by the type of its column."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some rows of a list, and the token of the next ones; None on the last page."""

    items: list[Item]
    next_page_token: str | None = None
    version: ReadVersion | None = None
    """The state that the list was read at, if the page may be cached."""
    total: Total | None = None
    """The number of rows of all pages; None: it was not asked for."""


class AnyPagedRequest(Protocol):
    """A request of a list: a frozen dataclass whose other fields are its filters."""

    @property
    def page_size(self) -> int | None:
        """The number of rows that are wanted."""

    @property
    def page_token(self) -> str | None:
        """The token of the page before, which says where this one begins."""


class PagedRequest(AnyPagedRequest, Protocol):
    """A request of a list that has one order."""

    sort_key: ClassVar[tuple[Part, ...]]
    """The parts of the key that the list is sorted by."""


@runtime_checkable
class OrderedRequest(AnyPagedRequest, Protocol):
    """A request of a list that can be read in more orders than one."""

    orders: ClassVar[Orders]
    """The orders of the list."""

    @property
    def order_by(self) -> str | None:
        """The order that is wanted, None: the list's own. As a filter it is part of what page tokens are bound to."""

    @property
    def total(self) -> bool:
        """True if the number of all rows is wanted, too."""


def ordered_by(request: OrderedRequest) -> Order:
    """Return the order in which a request wants its list."""
    return request.orders.find(request.order_by)


def _sort_key(request: PagedRequest | OrderedRequest) -> Sequence[Part]:
    if isinstance(request, OrderedRequest):
        return [_PARTS[column.type] for column in ordered_by(request).columns]
    return request.sort_key


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of one caller."""

    secret: bytes

    def start(self, request: PagedRequest | OrderedRequest) -> list[Any] | None:
        """Return the sort key behind which the page begins; None for the first page.

        Raises:
            InvalidArgument: the token was not made for this caller, call and filters, or was changed since.
        """
        if request.page_token is None:
            return None
        try:
            raw = base64url.decode(request.page_token, padded=True)
        except ValueError:
            raw = b""
        key, signature = raw[:-_SIGNATURE], raw[-_SIGNATURE:]
        signed = hmac.compare_digest(signature, self._sign(request, key))
        found = _parse(key, _sort_key(request)) if signed else None
        if found is None:
            sentence = (
                "Must be the next_page_token of an answer to the same call, with the same filters, by the same token;"
                " without any, the list begins anew."
            )
            raise InvalidArgument(
                f"The request is not valid: page_token: {sentence}", details={"page_token": [sentence]}
            )
        return found

    def cut(
        self,
        request: AnyPagedRequest,
        rows: Sequence[Item],
        key: Callable[[Item], Sequence[Any]],
        size: int | None = None,
        version: ReadVersion | None = None,
        *,
        total: Total | None = None,
        examined_to: Sequence[Any] | None = None,
    ) -> Page[Item]:
        """Cut a page out of rows, of which one more than a page was asked for if there were as many.

        Args:
            key: a row's sort key, of what JSON can hold.
            size: of the page; the request's own if None, and all rows where that is None too.
            version: the state that the rows were read at, if the page may be cached.
            total: the number of rows of all pages, if it was asked for.
            examined_to: the key behind which the next page begins, where this one ends without being full.
        """
        size = request.page_size if size is None else size
        if size is None or len(rows) <= size:
            token = None if examined_to is None else self._token(request, examined_to)
            return Page([*rows], token, version, total)
        items = [*rows[:size]]
        return Page(items, self._token(request, key(items[-1])), version, total)

    def cut_found(self, request: AnyPagedRequest, span: Span, found: Rows[Item]) -> Page[Item]:
        """Cut a page out of the rows that were found for a span."""
        return self.cut(
            request, found.items, span.order.key, span.size, total=found.total, examined_to=found.examined_to
        )

    def _token(self, request: AnyPagedRequest, key: Sequence[Any]) -> str:
        raw = orjson.dumps([*key], default=str)
        # Padded, as those of earlier versions are: lists go on while a server is replaced.
        return base64url.encode(raw + self._sign(request, raw), padded=True)

    def _sign(self, request: AnyPagedRequest, key: bytes) -> bytes:
        filters = {
            field.name: getattr(request, field.name)
            for field in dataclasses.fields(request)  # type: ignore[arg-type] # every request is a dataclass
            if field.name not in _NOT_FILTERS
        }
        signed = orjson.dumps([type(request).__name__, filters], default=str, option=orjson.OPT_SORT_KEYS) + b"\0" + key
        return hmac.digest(self.secret, signed, hashlib.sha256)[:_SIGNATURE]


def _parse(key: bytes, parts: Sequence[Part]) -> list[Any] | None:
    """Return a sort key of these parts; None if it is none."""
    try:
        found = orjson.loads(key)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, list) or len(found) != len(parts):
        return None
    return found if all(fits(value) for fits, value in zip(parts, found, strict=True)) else None
