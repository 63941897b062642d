"""Authlib's OpenID client, as its framework integrations put it together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from authlib.integrations.base_client.sync_app import BaseApp, OAuth2Mixin
from authlib.integrations.base_client.sync_openid import OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session

from .dev_server import DevServer
from .relying_party import STANDARD_SCOPE


class App(OAuth2Mixin, OpenIDMixin, BaseApp):
    """A relying party: what ``authlib.integrations.flask_client`` builds, without Flask."""

    client_cls = OAuth2Session


def build_app(dev: DevServer, client: dict[str, Any], scope: str = STANDARD_SCOPE) -> App:
    return App(
        SimpleNamespace(update_token=lambda *_, **__: None),
        name="grantway",
        client_id=client["client_id"],
        client_secret=client["client_secret"],
        server_metadata_url=f"{dev.issuer}/.well-known/openid-configuration",
        client_kwargs={
            "scope": scope,
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": client["token_endpoint_auth_method"],
        },
    )
