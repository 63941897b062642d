"""Verbs for devices that wait for a person."""

from __future__ import annotations

import msgspec

from grantway.model import DeviceRequest
from grantway.storage.sql import statements as sql
from grantway.storage.sql.records import build_device_request_row, build_digest, parse_device_request
from grantway.storage.sql.transaction import Abandon, Transaction


async def insert_device_request(tx: Transaction, request: DeviceRequest, now: int) -> bool:
    row = build_device_request_row(request)
    if await tx.insert(sql.INSERT_DEVICE_REQUEST, **row):
        return True
    freed = await tx.execute(
        sql.FREE_USER_CODE,
        tenant=request.tenant,
        user_code_digest=request.user_code_digest,
        now=now,
        # Its device may still ask what became of it; only the person's code goes to somebody else.
        nobody_s_digest=build_digest("no user code", request.device_digest),
    )
    if freed and not await tx.insert(sql.INSERT_DEVICE_REQUEST, **row):
        raise Abandon(False)
    return bool(freed)


async def load_device_request(tx: Transaction, tenant: str, device_digest: bytes) -> DeviceRequest | None:
    rows = await tx.fetch(sql.LOAD_DEVICE_REQUEST, tenant=tenant, device_digest=device_digest)
    return parse_device_request(rows[0]) if rows else None


async def load_device_request_by_user_code(
    tx: Transaction, tenant: str, user_code_digest: bytes
) -> DeviceRequest | None:
    rows = await tx.fetch(sql.LOAD_DEVICE_REQUEST_BY_USER_CODE, tenant=tenant, user_code_digest=user_code_digest)
    return parse_device_request(rows[0]) if rows else None


async def update_device_request(tx: Transaction, request: DeviceRequest) -> bool:
    following = msgspec.structs.replace(request, version=request.version + 1)
    row = build_device_request_row(following)
    del row["user_code_digest"]
    return await tx.execute(sql.UPDATE_DEVICE_REQUEST, stored_version=request.version, **row) == 1
