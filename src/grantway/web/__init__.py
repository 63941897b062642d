"""The server on the web: ASGI applications, pages, static files.

Owns what people and ASGI servers see: routing to ``server.handle``, HTML, headers of pages, the console's looks.
Does not own: any rule of the protocol, any decision about who may do what, any state.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grantway.config import Settings
    from grantway.server import AuthorizationServer
    from grantway.web.asgi import PublicApplication

__all__ = ["create_admin_app", "create_public_app", "create_server"]


def create_server(
    settings: Settings, *, template_directory: Path | None = None, **provided: Any
) -> AuthorizationServer:
    """A server with the built-in pages, log and metrics; ``provided`` replaces any of its ports.

    Raises:
        ConfigurationError: the settings are unsafe or incomplete.
    """
    from grantway.server import AuthorizationServer, SystemEntropy
    from grantway.web.pages import JinjaPages
    from grantway.web.telemetry import Telemetry

    entropy = provided.setdefault("entropy", SystemEntropy())
    provided.setdefault("pages", JinjaPages(entropy, template_directory))
    provided.setdefault("events", Telemetry(settings.log, os.environ.get("PROMETHEUS_MULTIPROC_DIR")))
    return AuthorizationServer(settings, **provided)


def create_public_app(server: AuthorizationServer, *, manages_lifespan: bool = True) -> PublicApplication:
    """The public endpoints and pages as an ASGI application, alone or mounted in another one."""
    from grantway.web.asgi import PublicApplication

    return PublicApplication(server, manages_lifespan=manages_lifespan)


def create_admin_app(server: AuthorizationServer) -> Any:
    """The admin API as an ASGI application for a listener of its own."""
    from grantway.web.admin_api import build_admin_app

    return build_admin_app(server)
