"""Every flow of the playground, in the order in which it lists them."""

from __future__ import annotations

from grantway.web.playground.flow import Flow
from grantway.web.playground.flows.authorization_code import AUTHORIZATION_CODE
from grantway.web.playground.flows.client_credentials import CLIENT_CREDENTIALS
from grantway.web.playground.flows.device import DEVICE
from grantway.web.playground.flows.discovery import DISCOVERY
from grantway.web.playground.flows.hybrid import HYBRID
from grantway.web.playground.flows.implicit import IMPLICIT
from grantway.web.playground.flows.introspection import INTROSPECTION
from grantway.web.playground.flows.jwt_bearer import JWT_BEARER
from grantway.web.playground.flows.logout import LOGOUT
from grantway.web.playground.flows.password import PASSWORD
from grantway.web.playground.flows.private_key_jwt import PRIVATE_KEY_JWT
from grantway.web.playground.flows.refresh_token import REFRESH_TOKEN
from grantway.web.playground.flows.registration import REGISTRATION
from grantway.web.playground.flows.revocation import REVOCATION
from grantway.web.playground.flows.saml_bearer import SAML_BEARER
from grantway.web.playground.flows.token_exchange import TOKEN_EXCHANGE
from grantway.web.playground.flows.userinfo import USERINFO

FLOWS: tuple[Flow, ...] = (
    AUTHORIZATION_CODE,
    REFRESH_TOKEN,
    USERINFO,
    DEVICE,
    LOGOUT,
    CLIENT_CREDENTIALS,
    PRIVATE_KEY_JWT,
    JWT_BEARER,
    SAML_BEARER,
    REGISTRATION,
    INTROSPECTION,
    REVOCATION,
    TOKEN_EXCHANGE,
    DISCOVERY,
    IMPLICIT,
    HYBRID,
    PASSWORD,
)
