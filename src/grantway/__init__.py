"""Grantway: the OAuth 2.1 authorization server and OpenID Connect provider for Python.

This is the public interface. Each name is imported when it is first used, so that ``import grantway`` costs next to
nothing and a program pays for the parts it takes. What is not listed in ``__all__`` here, in ``grantway.testing`` or in
``grantway.errors`` may change between releases.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from grantway.version import __version__

if TYPE_CHECKING:
    from grantway.config import Settings, load_settings
    from grantway.errors import ConfigurationError, GrantwayError, OAuthError
    from grantway.extension import (
        Authenticator,
        Call,
        ClientAuthentication,
        Credential,
        Decision,
        Endpoint,
        Extension,
        Feature,
        Grant,
        Login,
        Runtime,
    )
    from grantway.hooks import authorization_hook, token_hook
    from grantway.model import Authorization, Client, Session, Subject, Tenant
    from grantway.protocol.message import Parameters, Request, Response
    from grantway.server import AuthorizationServer
    from grantway.web import create_admin_app, create_public_app, create_server

__all__ = [
    "Authenticator",
    "Authorization",
    "AuthorizationServer",
    "Call",
    "Client",
    "ClientAuthentication",
    "ConfigurationError",
    "Credential",
    "Decision",
    "Endpoint",
    "Extension",
    "Feature",
    "Grant",
    "GrantwayError",
    "Login",
    "OAuthError",
    "Parameters",
    "Request",
    "Response",
    "Runtime",
    "Session",
    "Settings",
    "Subject",
    "Tenant",
    "__version__",
    "authorization_hook",
    "create_admin_app",
    "create_public_app",
    "create_server",
    "load_settings",
    "token_hook",
]

_HOMES = {
    "config": ("Settings", "load_settings"),
    "errors": ("ConfigurationError", "GrantwayError", "OAuthError"),
    "extension": (
        "Authenticator",
        "Call",
        "ClientAuthentication",
        "Credential",
        "Decision",
        "Endpoint",
        "Extension",
        "Feature",
        "Grant",
        "Login",
        "Runtime",
    ),
    "hooks": ("authorization_hook", "token_hook"),
    "model": ("Authorization", "Client", "Session", "Subject", "Tenant"),
    "protocol.message": ("Parameters", "Request", "Response"),
    "server": ("AuthorizationServer",),
    "web": ("create_admin_app", "create_public_app", "create_server"),
}
_MODULES = {name: f"grantway.{module}" for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Imports a public name from its home (PEP 562)."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'grantway' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(module), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
