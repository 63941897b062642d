"""After a database was restored: which assertions were used is forgotten, so none from before is good any more."""

from __future__ import annotations

import pytest
from tests.assertions import is_refused, register_signer
from tests.bearers import JwtIssuer, SamlIssuer, said

from grantway.admin.tokens import revoke_all
from grantway.config import AssertionSettings, ClientAuthSettings


def restore(server):
    """What ``grantway restore`` does besides putting the file back, and the second it takes to hold."""
    server.run(revoke_all(server.runtime, actor="test"))
    server.clock.advance(2)


@pytest.mark.threat("T56")
@pytest.mark.parametrize("has_iat", [True, False])
def test_a_jwt_from_before_gets_no_token(fresh_server, has_iat):
    bearer = JwtIssuer(fresh_server)
    bearer.trust()

    def sign():
        lifetime = AssertionSettings().jwt_max_lifetime
        expires_at = fresh_server.clock.now() // 1000 + lifetime
        return bearer.sign() if has_iat else bearer.sign(iat=None, exp=expires_at)

    before, used = sign(), sign()
    assert said(bearer.send(used)) == "ok"
    restore(fresh_server)
    assert [said(bearer.send(old)) for old in (before, used)] == ["invalid_grant"] * 2
    assert said(bearer.send(sign())) == "ok"


@pytest.mark.threat("T84")
def test_a_saml_assertion_from_before_gets_no_token(fresh_server):
    bearer = SamlIssuer(fresh_server)
    bearer.trust()
    before = bearer.sign()
    restore(fresh_server)
    assert said(bearer.send(before)) == "invalid_grant"
    assert said(bearer.send()) == "ok"


@pytest.mark.threat("T56")
@pytest.mark.parametrize("has_iat", [True, False])
def test_a_client_assertion_from_before_proves_nothing(fresh_server, has_iat):
    signer = register_signer(fresh_server)

    def sign():
        lifetime = ClientAuthSettings().max_assertion_lifetime
        expires_at = fresh_server.clock.now() // 1000 + lifetime
        return signer.sign() if has_iat else signer.sign(iat=None, exp=expires_at)

    before = sign()
    restore(fresh_server)
    assert is_refused(signer.send(before))
    assert signer.send(sign()).status_code == 200
