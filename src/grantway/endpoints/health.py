"""Is it alive, is it ready, which version: for load balancers and people on call."""

from __future__ import annotations

from grantway.errors import TemporarilyUnavailable
from grantway.extension import Call, Endpoint
from grantway.protocol.message import Response, build_json_response
from grantway.version import __version__


class Alive(Endpoint):
    """200 as long as the process answers at all."""

    name = "health_alive"
    path = "/health/alive"
    methods = ("GET",)
    is_answered_when_stale = True

    async def handle(self, call: Call) -> Response:
        return build_json_response({"status": "ok"})


class Ready(Endpoint):
    """200 when the database answers, 503 otherwise and while the server is stopping."""

    name = "health_ready"
    path = "/health/ready"
    methods = ("GET",)

    async def handle(self, call: Call) -> Response:
        if call.runtime.is_stopping:
            raise TemporarilyUnavailable("The server is stopping.")
        await call.runtime.store.ping()
        return build_json_response({"status": "ok"})


class Version(Endpoint):
    """The release that answers."""

    name = "version"
    path = "/version"
    methods = ("GET",)
    is_answered_when_stale = True

    async def handle(self, call: Call) -> Response:
        return build_json_response({"version": __version__})
