"""JSON Patch (RFC 6902) on a client's document: bounded in time and space, and blind to what must not be patched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jsonpatch
import jsonpointer
import msgspec

from grantway.errors import Conflict, Unprocessable

MOST_OPERATIONS = 100
MOST_BYTES = 65536
PROTECTED = frozenset(
    {
        "tenant", "client_id", "client_secret", "client_secret_expires_at", "secrets", "version", "created_at",
        "updated_at", "extra",
    }
)  # fmt: skip
"""Members no patch may touch; ``test`` may look at them."""

_FAULTS = (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, ValueError, LookupError,
           AttributeError, RecursionError)  # fmt: skip


def apply_patch(document: Mapping[str, Any], operations: Sequence[Any]) -> dict[str, Any]:
    """Returns ``document`` with the operations applied, all or none.

    Raises:
        Unprocessable: an operation is malformed, points nowhere, or touches a protected member.
        Conflict: a ``test`` failed (RFC 6902 §4.6).
    """
    if len(operations) > MOST_OPERATIONS:
        raise Unprocessable("", f"A patch has at most {MOST_OPERATIONS} operations.")
    patched = dict(document)
    for position, operation in enumerate(operations):
        field = f"/{position}"
        _check_operation(field, operation)
        patched = _apply(field, patched, operation)
    return patched


def _apply(field: str, document: dict[str, Any], operation: Mapping[str, Any]) -> dict[str, Any]:
    try:
        patched = jsonpatch.apply_patch(document, [operation])
        size = len(msgspec.json.encode(patched))
    except jsonpatch.JsonPatchTestFailed as error:
        raise Conflict(f"The test in operation {field} failed.") from error
    except _FAULTS as error:
        raise Unprocessable(field, "cannot be applied: its path or value does not fit the document.") from error
    # After every single one: a hundred copies that each double the document would be 2^100 of it.
    if size > MOST_BYTES:
        raise Unprocessable(field, f"makes the document larger than {MOST_BYTES} bytes.")
    if not isinstance(patched, dict):
        raise Unprocessable(field, "replaces the whole document.")
    return patched


def _check_operation(field: str, operation: Any) -> None:
    if not isinstance(operation, Mapping):
        raise Unprocessable(field, "must be an object.")
    verb = operation.get("op")
    if verb not in ("add", "remove", "replace", "move", "copy", "test"):
        raise Unprocessable(f"{field}/op", "must be add, remove, replace, move, copy or test.")
    pointers = {"path": operation.get("path")}
    if verb in ("move", "copy"):
        pointers["from"] = operation.get("from")
    for name, pointer in pointers.items():
        if not isinstance(pointer, str) or len(pointer) > 1024:
            raise Unprocessable(f"{field}/{name}", "must be a JSON Pointer.")
        try:
            parts = jsonpointer.JsonPointer(pointer).parts
        except jsonpointer.JsonPointerException as error:
            raise Unprocessable(f"{field}/{name}", "must be a JSON Pointer.") from error
        if verb != "test" and (not parts or parts[0] in PROTECTED):
            touched = parts[0] if parts else "the whole document"
            raise Unprocessable(f"{field}/{name}", f"{touched} cannot be changed by a patch.")
