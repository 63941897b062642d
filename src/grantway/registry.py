"""Everything the server can do, in one place: built-ins and plug-ins, checked, frozen and folded.

A grant, a client authentication, an authenticator, a feature or an endpoint is one new file and one line here; from
elsewhere it is an entry point of the group ``grantway.extensions``. A name used twice stops the start.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from importlib.metadata import entry_points
from typing import TypeVar, cast

from grantway.authenticators.password import PasswordAuthenticator
from grantway.client_auth.client_secret import ClientSecretBasic, ClientSecretPost
from grantway.client_auth.public import PublicClient
from grantway.endpoints.account import Account, ChangePassword, EndSessions, RevokeClient, SignOut
from grantway.endpoints.authorize import Authorize
from grantway.endpoints.health import Alive, Ready, Version
from grantway.endpoints.interaction import InteractionPage
from grantway.endpoints.introspection import Introspection
from grantway.endpoints.logout import EndSession
from grantway.endpoints.metadata import AuthorizationServerMetadata, Discovery, JsonWebKeySet
from grantway.endpoints.revocation import RevokeToken
from grantway.endpoints.sign_in import SignIn
from grantway.endpoints.sign_up import SignUp
from grantway.endpoints.token import Token
from grantway.endpoints.userinfo import UserInfo
from grantway.errors import ConfigurationError
from grantway.extension import (
    Authenticator,
    ClientAuthentication,
    Endpoint,
    Extension,
    Extensions,
    Feature,
    Grant,
)
from grantway.grants.authorization_code import AuthorizationCode
from grantway.grants.client_credentials import ClientCredentials
from grantway.grants.refresh_token import RefreshToken

ENTRY_POINT_GROUP = "grantway.extensions"

BUILTINS: tuple[type[Extension], ...] = (
    # grants
    AuthorizationCode,
    ClientCredentials,
    RefreshToken,
    # client authentication
    ClientSecretBasic,
    ClientSecretPost,
    PublicClient,
    # authenticators
    PasswordAuthenticator,
    # endpoints
    Authorize,
    Token,
    Introspection,
    RevokeToken,
    UserInfo,
    Discovery,
    AuthorizationServerMetadata,
    JsonWebKeySet,
    EndSession,
    InteractionPage,
    SignIn,
    SignUp,
    Account,
    EndSessions,
    RevokeClient,
    ChangePassword,
    SignOut,
    Alive,
    Ready,
    Version,
)

E = TypeVar("E", bound=Extension)


def build_extensions(additional: Iterable[Extension] = ()) -> Extensions:
    """Gathers built-ins, installed plug-ins and ``additional`` ones.

    Raises:
        ConfigurationError: two extensions of a kind have one name, two endpoints one path, or a plug-in cannot be
            loaded.
    """
    everything = [builtin() for builtin in BUILTINS]
    everything += _load_entry_points()
    everything += additional
    grants = _by_name(everything, Grant)
    authentications = tuple(_by_name(everything, ClientAuthentication).values())
    features = tuple(_by_name(everything, Feature).values())
    endpoints = _by_name(everything, Endpoint)
    return Extensions(
        grants=grants,
        client_authentications=authentications,
        authenticators=_by_name(everything, Authenticator),
        features=features,
        endpoints=_by_path(endpoints.values()),
        repeatable_parameters=frozenset(name for grant in grants.values() for name in grant.repeatable),
        credential_parameters=frozenset(name for method in authentications for name in method.parameters),
        is_replayable=all(feature.is_replayable for feature in features),
    )


def select_endpoints(endpoints: Mapping[str, Endpoint], services: Collection[str]) -> Mapping[str, Endpoint]:
    """Those of ``services`` (all, if it is empty) and those that belong to no service, by path."""
    return {
        path: endpoint
        for path, endpoint in endpoints.items()
        if not services or not endpoint.service or endpoint.service in services
    }


def _load_entry_points() -> list[Extension]:
    extensions = []
    for point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            extension = point.load()()
        except Exception as error:
            raise ConfigurationError(f"The plug-in {point.name!r} ({point.value}) cannot be loaded: {error}") from error
        if not isinstance(extension, Extension):
            raise ConfigurationError(f"The plug-in {point.name!r} ({point.value}) is not a grantway Extension.")
        extensions.append(extension)
    return extensions


def _by_name(extensions: Iterable[Extension], kind: Callable[..., E]) -> Mapping[str, E]:
    """Those of one kind; ``kind`` is one of the abstract classes of ``extension``."""
    assert isinstance(kind, type)  # noqa: S101 - mypy wants abstract classes passed as callables
    named: dict[str, E] = {}
    for extension in extensions:
        if isinstance(extension, kind):
            if extension.name in named:
                raise ConfigurationError(f"Two extensions are called {extension.name!r} ({kind.__name__}).")
            named[extension.name] = cast(E, extension)
    return named


def _by_path(endpoints: Iterable[Endpoint]) -> Mapping[str, Endpoint]:
    by_path: dict[str, Endpoint] = {}
    for endpoint in endpoints:
        if endpoint.path in by_path:
            raise ConfigurationError(f"Two endpoints answer at {endpoint.path}.")
        by_path[endpoint.path] = endpoint
    return by_path
