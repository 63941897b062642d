"""What the grants for codes share: a permission that a person gave, found by its code and spent once. Not a grant
itself."""

from __future__ import annotations

from msgspec.structs import replace

from grantway.errors import InvalidGrant, ReplayDetected
from grantway.extension import Call, Decision, Grant
from grantway.model import Authorization, Client


class RedeemingGrant(Grant):
    """A grant whose credential is the code of a stored permission."""

    async def spend(self, call: Call, decision: Decision) -> Decision:
        """One conditional update; its loser came second, and coming second is a replay (RFC 6749 §4.1.2)."""
        authorization = decision.authorization
        if authorization is None:
            raise InvalidGrant()
        if not await call.runtime.store.redeem_code(call.tenant.tenant, authorization.authorization_id, call.now):
            raise ReplayDetected(authorization.authorization_id, detail="code was redeemed at the same moment")
        return replace(decision, authorization=replace(authorization, code_redeemed_at=call.now))


def check_unspent(authorization: Authorization) -> None:
    """Raises ``ReplayDetected``. To be asked before expiry: a replay counts for as long as the row lives."""
    if authorization.code_redeemed_at is not None:
        raise ReplayDetected(authorization.authorization_id, detail="code was redeemed before")


def is_code_expired(call: Call, authorization: Authorization) -> bool:
    return authorization.code_expires_at is None or authorization.code_expires_at <= call.now


def build_decision(client: Client, authorization: Authorization) -> Decision:
    """Everything the person gave."""
    return Decision(
        client=client,
        subject=authorization.subject,
        scope=authorization.scope,
        audience=authorization.audience,
        authorization=authorization,
        is_scope_fixed=True,
        is_refreshable="refresh_token" in client.grant_types,
        has_id_token="openid" in authorization.scope,
        nonce=authorization.nonce,
    )
