"""The server on the web: ASGI applications, pages, static files.

Owns what people and ASGI servers see: routing to ``server.handle``, HTML, headers of pages, the console's looks.
Does not own: any rule of the protocol, any decision about who may do what, any state.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grantway.config import Settings
    from grantway.server import AuthorizationServer
    from grantway.web.asgi import PublicApplication
    from grantway.web.worker_status import StatusBoard

__all__ = ["create_admin_app", "create_public_app", "create_server"]


def create_server(
    settings: Settings,
    *,
    template_directory: Path | None = None,
    board: StatusBoard | None = None,
    **provided: Any,
) -> AuthorizationServer:
    """A server with the built-in pages, log and metrics; ``provided`` replaces any of its ports.

    ``template_directory`` wins over ``interaction.template_directory``. ``board``: where the workers of a machine tell
    each other how they are doing.

    Raises:
        ConfigurationError: the settings are unsafe or incomplete.
    """
    from grantway.server import AuthorizationServer, SystemEntropy
    from grantway.web.pages import JinjaPages
    from grantway.web.services import check_services
    from grantway.web.telemetry import Telemetry

    entropy = provided.setdefault("entropy", SystemEntropy())
    if template_directory is None and settings.interaction.template_directory:
        template_directory = Path(settings.interaction.template_directory)
    provided.setdefault("pages", JinjaPages(entropy, template_directory))
    events = provided.setdefault("events", Telemetry(settings.log, board))
    server = AuthorizationServer(settings, **provided)
    if isinstance(events, Telemetry):
        events.board.read = server.status
    check_services(settings, server.runtime.extensions)
    return server


def create_public_app(server: AuthorizationServer, *, manages_lifespan: bool = True) -> PublicApplication:
    """The public endpoints and pages as an ASGI application, alone or mounted in another one."""
    from grantway.web.asgi import PublicApplication

    return PublicApplication(server, manages_lifespan=manages_lifespan)


def create_admin_app(server: AuthorizationServer) -> Any:
    """The admin API as an ASGI application for a listener of its own."""
    from grantway.web.admin_api import build_admin_app

    return build_admin_app(server)
