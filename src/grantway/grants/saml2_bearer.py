"""A SAML 2.0 assertion that a trusted issuer signed, for an access token (RFC 7522 §2.1, §3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any, TypeVar

from grantway.errors import InvalidGrant, TemporarilyUnavailable
from grantway.extension import Call, Decision
from grantway.grants.assertion import (
    TOKEN_PATH,
    AssertionGrant,
    Verified,
    build_decision,
    describe_metadata,
    find_trusts,
    read_assertion_parameter,
)
from grantway.model import Client
from grantway.protocol.message import Parameters
from grantway.protocol.saml import (
    Assertion,
    InvalidSaml,
    UnverifiedAssertion,
    check_assertion,
    parse_assertion,
    verify_assertion,
)
from grantway.protocol.trusted_issuer import Trust

T = TypeVar("T")
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:saml2-bearer"
_THREADS = 2
_MOST_WAITING = 64


class Saml2Bearer(AssertionGrant):
    name = GRANT_TYPE
    spec = "RFC 7522 §2.1"
    client_metadata = describe_metadata(GRANT_TYPE)

    def __init__(self) -> None:
        self._aside = _Aside()

    @classmethod
    def find_missing(cls) -> str:
        return "" if find_spec("signxml") and find_spec("lxml") else "grantway[saml]"

    async def resolve(self, call: Call, client: Client, parameters: Parameters) -> Decision:
        """Whom the assertion names, if somebody signed it whom this client may bring assertions of, for this server,
        just now.

        Raises:
            InvalidGrant: whatever is wrong with it (RFC 7522 §3.1); why is in the log.
            TemporarilyUnavailable: too many are waiting to be looked at.
        """
        encoded = read_assertion_parameter(parameters)
        try:
            unverified = await self._aside.run(parse_assertion, encoded)
            verified = await self._verify(call, client, unverified)
        except InvalidSaml as error:
            raise InvalidGrant(detail=error.detail) from error
        return await build_decision(call, client, parameters, verified, purpose="saml2_bearer")

    async def _verify(self, call: Call, client: Client, unverified: UnverifiedAssertion) -> Verified:
        """Raises ``InvalidSaml``, ``InvalidGrant``."""
        failure = InvalidSaml("no certificate is known")
        for trust in await find_trusts(call, client, "saml", unverified.issuer, unverified.subject):
            try:
                assertion = await self._aside.run(
                    lambda pinned: verify_assertion(unverified, pinned, now=call.now // 1000), trust.certificates
                )
            except InvalidSaml as error:
                failure = error
            else:
                return _check(call, trust, assertion)
        raise failure


def _check(call: Call, trust: Trust, assertion: Assertion) -> Verified:
    """RFC 7522 §3, of what was signed. Raises ``InvalidSaml``."""
    settings, issuer = call.runtime.settings.assertions, call.tenant.issuer
    expires_at = check_assertion(
        assertion,
        now=call.now // 1000,
        issuer=trust.issuer,
        audiences=(issuer, issuer + TOKEN_PATH),
        recipient=issuer + TOKEN_PATH,
        max_lifetime=settings.saml_max_lifetime,
        skew=settings.clock_skew,
        authn_max_age=settings.saml_authn_max_age,
        not_before=call.tenant.not_before / 1000,
    )
    if not trust.covers(assertion.subject):  # it was the unverified one that led to this trust
        raise InvalidSaml("another subject than the one that is trusted")
    return Verified(trust=trust, subject=assertion.subject, assertion_id=assertion.assertion_id, expires_at=expires_at)


class _Aside:
    """Threads of our own: canonical XML and RSA take milliseconds, in which the loop answers a hundred others."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._waiting = 0

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Raises ``TemporarilyUnavailable``: too many are waiting already. And whatever ``function`` raises."""
        if self._waiting >= _MOST_WAITING:
            raise TemporarilyUnavailable("Too many assertions at the moment. Try again shortly.")
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="saml")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)
        finally:
            self._waiting -= 1
