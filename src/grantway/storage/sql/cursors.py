"""Opaque cursors: where the last page of one listing of one tenant ended."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from grantway.errors import Unprocessable
from grantway.model import Page
from grantway.storage.sql.transaction import Row

T = TypeVar("T")

_PREFIX = "c1."


def build_cursor(listing: str, tenant: str, *position: str | int) -> str:
    """A cursor that only ``listing`` of ``tenant`` accepts."""
    data = msgspec.json.encode([listing, tenant, *position])
    return _PREFIX + base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def parse_cursor(cursor: str, listing: str, tenant: str, *types: type) -> tuple[Any, ...]:
    """The position, one value of each of ``types``.

    Raises:
        Unprocessable: ``build_cursor`` did not make it for this listing and tenant.
    """
    try:
        if not cursor.startswith(_PREFIX):
            raise ValueError
        data = cursor[len(_PREFIX) :].encode("ascii")
        values = msgspec.json.decode(base64.b64decode(data + b"=" * (-len(data) % 4), altchars=b"-_", validate=True))
        if not isinstance(values, list) or values[:2] != [listing, tenant] or len(values) != 2 + len(types):
            raise ValueError
        position = tuple(values[2:])
        if build_cursor(listing, tenant, *position) != cursor:  # the same in another spelling
            raise ValueError
        if not all(type(value) is type_ for value, type_ in zip(position, types, strict=True)):
            raise ValueError
        # A number beyond what a column holds was not in any row.
        if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in position):
            raise ValueError
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise Unprocessable("cursor", "is not a cursor of this listing") from error
    return position


def build_page(rows: Sequence[Row], limit: int, parse: Callable[[Row], T], cursor_of: Callable[[T], str]) -> Page:
    """A page of at most ``limit`` of ``rows``, which must be one more when there are more."""
    items = tuple(parse(row) for row in rows[:limit])
    return Page(items, cursor_of(items[-1]) if len(rows) > limit else None)
