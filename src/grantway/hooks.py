"""Hooks in the same process: a function that has a say in tokens or permissions, made an extension by a decorator.

    @token_hook
    async def add_plan(call: Call, grant_type: str, decision: Decision) -> Decision | None:
        return replace(decision, token_claims={**decision.token_claims, "plan": "gold"})

    server = create_server(settings, extensions=[add_plan])

Installed packages name such a function as an entry point of the group ``grantway.extensions``. To deny, a hook raises
an ``OAuthError``, ``AccessDenied`` as a rule; to change nothing it returns None.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from grantway.extension import Call, Decision, Feature
from grantway.model import Authorization, Client
from grantway.protocol.message import Parameters

TokenFunction = Callable[[Call, str, Decision], Awaitable[Decision | None]]
AuthorizationFunction = Callable[[Call, Client, Authorization], Awaitable[Authorization | None]]


def token_hook(function: TokenFunction) -> Feature:
    """Has ``function`` asked before any token is issued: ``(call, grant_type, decision)`` to the changed decision.

    Everything has been checked by then, and nothing has been spent: a hook that raises leaves a code good. The scope it
    returns counts as far as the person and the client's registration allow.
    """
    return _TokenHook(function)


def authorization_hook(function: AuthorizationFunction) -> Feature:
    """Has ``function`` asked before a permission that a person gave is stored: ``(call, client, authorization)`` to the
    changed authorization. Its ``token_claims`` and ``id_token_claims`` go into all its tokens, refreshed ones too."""
    return _AuthorizationHook(function)


class _Hook(Feature):
    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = f"{function.__module__}.{function.__qualname__}"  # type: ignore[misc]
        self._function = function


class _TokenHook(_Hook):
    is_replayable = True

    async def shape_decision(self, call: Call, grant_type: str, decision: Decision, parameters: Parameters) -> Decision:
        call.is_replayable = False  # nobody knows what it would say the next time
        return await self._function(call, grant_type, decision) or decision


class _AuthorizationHook(_Hook):
    is_replayable = True

    async def shape_authorization(self, call: Call, client: Client, authorization: Authorization) -> Authorization:
        return await self._function(call, client, authorization) or authorization
