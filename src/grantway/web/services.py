"""Services: the parts of a server that a node may run alone, so that each can be scaled apart (`serve.services`).

There is no list of them: an endpoint names its service, a route of the admin API belongs to the one of its area, and
this module folds them. What belongs to none (health, version, metrics, the OpenAPI document) is answered by every node.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from msgspec import Struct

from grantway.config import Settings
from grantway.errors import ConfigurationError
from grantway.extension import Extensions


class Service(Struct, frozen=True):
    """One part of the server, with the paths it answers on each listener. Those of a tenant are the same below
    ``/t/{tenant}`` and ``/admin/t/{tenant}``."""

    name: str
    public: tuple[str, ...]
    admin: tuple[str, ...]


def list_services(extensions: Extensions) -> Mapping[str, Service]:
    """Every service by name: those of the protocol first, in the registry's order."""
    from grantway.web.admin_api import ROUTES

    public: dict[str, list[str]] = {}
    for path, endpoint in extensions.endpoints.items():
        public.setdefault(endpoint.service, []).append(path)
    admin: dict[str, list[str]] = {}
    for route in ROUTES:
        admin.setdefault(route.service, []).append(route.path)
    names = [name for name in dict.fromkeys([*public, *admin]) if name]
    return {
        name: Service(name, tuple(public.get(name, ())), tuple(dict.fromkeys(admin.get(name, ())))) for name in names
    }


def check_services(settings: Settings, extensions: Extensions) -> None:
    """Refuses a name in ``serve.services`` that no endpoint and no route has.

    Raises:
        ConfigurationError: names it, and what it may have been meant to be.
    """
    if not settings.serve.services:
        return
    known = list_services(extensions)
    for name in settings.serve.services:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ConfigurationError(
                f"serve.services: there is no service {name!r}.{hint} `grantway services` lists them."
            )
