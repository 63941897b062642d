"""Everything the server can do, in one place: built-ins and plug-ins, checked, frozen and folded.

A grant, a client authentication, an authenticator, a feature or an endpoint is one new file and one line here; from
elsewhere it is an entry point of the group ``grantway.extensions``. A name used twice stops the start.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from importlib.metadata import entry_points
from typing import TypeVar, cast

from grantway.authenticators.password import PasswordAuthenticator
from grantway.client_auth.client_assertion import ClientAssertion
from grantway.client_auth.client_secret import ClientSecretBasic, ClientSecretPost
from grantway.client_auth.public import PublicClient
from grantway.client_auth.tls_client_auth import SelfSignedTlsClientAuth, TlsClientAuth
from grantway.config import Settings
from grantway.endpoints.account import Account, ChangePassword, EndSessions, RevokeClient, SignOut
from grantway.endpoints.authorize import Authorize
from grantway.endpoints.dereference import Dereference
from grantway.endpoints.device_authorization import DeviceAuthorization
from grantway.endpoints.device_verification import DeviceVerification
from grantway.endpoints.health import Alive, Ready, Version
from grantway.endpoints.interaction import InteractionPage
from grantway.endpoints.introspection import Introspection
from grantway.endpoints.key import PublicKey
from grantway.endpoints.logout import EndSession
from grantway.endpoints.metadata import AuthorizationServerMetadata, Discovery, JsonWebKeySet
from grantway.endpoints.registration import ClientConfiguration, Registration
from grantway.endpoints.revocation import RevokeToken
from grantway.endpoints.sign_in import SignIn
from grantway.endpoints.sign_up import SignUp
from grantway.endpoints.signing import Signing
from grantway.endpoints.token import Token
from grantway.endpoints.tokeninfo import TokenInfo
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
from grantway.features.certificate_binding import CertificateBinding
from grantway.features.client_claims import ClientClaims
from grantway.features.introspection_jwt import IntrospectionJwt
from grantway.features.scopes import Scopes
from grantway.features.token_formats import TokenFormats
from grantway.features.token_hook import TokenHook
from grantway.grants.authorization_code import AuthorizationCode
from grantway.grants.bootstrap_token import BootstrapToken
from grantway.grants.client_authenticated_user import ClientAuthenticatedUser
from grantway.grants.client_credentials import ClientCredentials
from grantway.grants.device_code import DeviceCode
from grantway.grants.jwt_bearer import JwtBearer
from grantway.grants.password import Password
from grantway.grants.refresh_token import RefreshToken
from grantway.grants.saml2_bearer import Saml2Bearer
from grantway.grants.token_exchange import TokenExchange
from grantway.protocol.client_metadata import FIELDS, Metadatum

ENTRY_POINT_GROUP = "grantway.extensions"

BUILTINS: tuple[type[Extension], ...] = (
    # grants
    AuthorizationCode,
    ClientCredentials,
    RefreshToken,
    Password,
    DeviceCode,
    TokenExchange,
    JwtBearer,
    Saml2Bearer,
    ClientAuthenticatedUser,
    BootstrapToken,
    # client authentication
    ClientSecretBasic,
    ClientSecretPost,
    ClientAssertion,
    TlsClientAuth,
    SelfSignedTlsClientAuth,
    PublicClient,
    # authenticators
    PasswordAuthenticator,
    # features
    CertificateBinding,
    ClientClaims,
    Scopes,
    TokenHook,
    TokenFormats,
    IntrospectionJwt,
    # endpoints
    Authorize,
    Token,
    Introspection,
    RevokeToken,
    UserInfo,
    Discovery,
    AuthorizationServerMetadata,
    JsonWebKeySet,
    Registration,
    ClientConfiguration,
    EndSession,
    InteractionPage,
    DeviceAuthorization,
    DeviceVerification,
    TokenInfo,
    Dereference,
    Signing,
    PublicKey,
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


def build_extensions(additional: Iterable[Extension] = (), settings: Settings | None = None) -> Extensions:
    """Gathers built-ins, installed plug-ins and ``additional`` ones; with ``settings`` only those that are on.

    Raises:
        ConfigurationError: two extensions of a kind have one name, two endpoints one path, two extensions say
            different things about one client metadata field, or a plug-in cannot be loaded.
    """
    wanted = {builtin: builtin.find_missing() for builtin in BUILTINS}
    everything = [builtin() for builtin in BUILTINS if not wanted[builtin]]
    everything += _load_entry_points()
    everything += additional
    if settings is not None:
        everything = [extension for extension in everything if extension.is_enabled(settings)]
    grants = _by_name(everything, Grant)
    authentications = tuple(_by_name(everything, ClientAuthentication).values())
    features = tuple(_by_name(everything, Feature).values())
    endpoints = _by_name(everything, Endpoint)
    return Extensions(
        all=tuple(everything),
        grants=grants,
        client_authentications=authentications,
        authenticators=_by_name(everything, Authenticator),
        features=features,
        checking=_find_own(features, "check_token_request"),
        shaping=_find_own(features, "shape_decision"),
        rendering=_find_own(features, "shape_response"),
        endpoints=_by_path(endpoints.values()),
        grant_types=tuple(dict.fromkeys([*grants, *(name for each in everything for name in each.grant_types)])),
        client_metadata=_collect_client_metadata(everything),
        repeatable_parameters=frozenset(name for grant in grants.values() for name in grant.repeatable),
        credential_parameters=frozenset(name for method in authentications for name in method.parameters),
        is_replayable=all(feature.is_replayable for feature in features),
        missing={builtin.name: packages for builtin, packages in wanted.items() if packages},
    )


def _find_own(features: Iterable[Feature], hook: str) -> tuple[Feature, ...]:
    """The features with a ``hook`` of their own."""
    return tuple(each for each in features if getattr(type(each), hook) is not getattr(Feature, hook))


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
            loaded = point.load()
            extension = loaded if isinstance(loaded, Extension) else loaded()
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


def _collect_client_metadata(extensions: Iterable[Extension]) -> Mapping[str, Metadatum]:
    """Several may declare a field if it is the same to all of them (``jwks``)."""
    collected: dict[str, Metadatum] = {}
    for extension in extensions:
        for name, field in extension.client_metadata.items():
            if name in FIELDS or collected.setdefault(name, field) != field:
                raise ConfigurationError(f"{extension.name!r} declares the client metadata {name!r}, which is taken.")
    return collected


def _by_path(endpoints: Iterable[Endpoint]) -> Mapping[str, Endpoint]:
    by_path: dict[str, Endpoint] = {}
    for endpoint in endpoints:
        if endpoint.path in by_path:
            raise ConfigurationError(f"Two endpoints answer at {endpoint.path}.")
        by_path[endpoint.path] = endpoint
    return by_path
