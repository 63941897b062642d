"""The pages a person sees, from Jinja2 templates: escaped, sealed by headers, usable without script.

Every value of a context may come from an attacker: a client's name, a user agent, a scope. Templates escape everything,
an unknown name in a template is an error rather than an empty string, and the policy of the answer (CSP) lets a page
load nothing but this server's own style sheet and icon. A client's ``logo_uri`` is not shown: its host would learn who
is about to sign in where.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    PrefixLoader,
    StrictUndefined,
    pass_context,
)
from jinja2.runtime import Context

from grantway.errors import ConfigurationError
from grantway.ports import Entropy
from grantway.protocol.message import NO_REFERRER, NO_SNIFF, NO_STORE, Response
from grantway.web import page_filters
from grantway.web.static_files import build_static_url

LANGUAGE = "en"
"""The language of the templates in the package."""

PAGES = (
    "account", "consent", "device", "device_done", "error", "form_post", "logged_out", "login", "logout", "register",
    "select_account",
)  # fmt: skip

_RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
_LANGUAGE_TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,2}", re.IGNORECASE)
# A CSP source: a scheme, or a scheme with a host and a port (CSP 3 §2.3.1). Anything else would end the directive.
_SOURCE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(//[A-Za-z0-9._\[\]:*-]+)?")

_COMMON: Mapping[str, Any] = {"issuer_name": "Grantway", "base": "", "error": None}
_OPTIONAL: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "login": {
            "client": None, "username": "", "remember": False, "can_register": False, "register_url": None,
            "cancel": False, "device": None,
        },
        "select_account": {"client": None, "device": None},
        "consent": {"scopes": (), "audiences": (), "device": None},
        "device": {"user_code": "", "is_prefilled": False},
        "device_done": {},
        "error": {"title": None, "description": None, "client": None},
        "register": {"client": None, "values": {}, "errors": {}, "requirements": (), "login_url": None},
        "logout": {"client": None},
        "logged_out": {"client": None, "return_url": None, "frames": (), "wait": 0},
        "account": {"sessions": (), "authorizations": (), "message": None, "errors": {}, "requirements": ()},
        "form_post": {},
    }
)  # fmt: skip
"""What a context may leave out. The rest (``csrf_token``, ``action``, the client that asks) it may not."""

_CLIENT: Mapping[str, Any] = {"client_uri": None, "policy_uri": None, "tos_uri": None}
_ACCOUNT: Mapping[str, Any] = {"name": None, "email": None}

_DENIED_FEATURES = (
    "accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone", "midi",
    "payment", "usb",
)  # fmt: skip
_HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    NO_STORE,
    NO_SNIFF,
    (b"x-frame-options", b"DENY"),  # RFC 6749 §10.13
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", ", ".join(f"{feature}=()" for feature in _DENIED_FEATURES).encode("ascii")),
)

# With no-referrer a browser sends ``Origin: null`` with a form (Fetch §3.2), and forms are checked by it; other
# sites learn nothing either way. The form of form_post goes to the client, which shall not learn our address.
_SAME_ORIGIN = (b"referrer-policy", b"same-origin")


class JinjaPages:
    """``ports.Pages`` over the templates of this package.

    ``template_directory``: templates in it replace those of the same name. A replacement may build on what it replaces
    (``{% extends "grantway/login.html" %}``). A folder in it that is named like a language (``de``, ``pt-br``) holds
    that language's templates; a person who prefers it gets them.

    Raises:
        ConfigurationError: ``template_directory`` is not a directory.
    """

    def __init__(self, entropy: Entropy, template_directory: Path | None = None) -> None:
        if template_directory is not None and not template_directory.is_dir():
            raise ConfigurationError(f"The directory of templates {str(template_directory)!r} is not there.")
        self._entropy = entropy
        self._directory = template_directory
        self._folders = _find_languages(template_directory)
        self._environments: dict[str, Environment] = {}

    def render(
        self,
        page: str,
        context: Mapping[str, Any],
        *,
        status: int = 200,
        form_action: str | None = None,
        frame_sources: Sequence[str] = (),
        locales: Sequence[str] = (),
    ) -> Response:
        """Builds the answer for ``page``, one of ``PAGES``. See ``ports.Pages``.

        Raises:
            jinja2.UndefinedError: ``context`` lacks something the page cannot do without.
        """
        language = self._choose_language(locales)
        template = self._load_environment(language).get_template(f"{page}.html")
        nonce = _Nonce(self._entropy)
        text = template.render(
            _complete(page, context),
            page=page,
            language=language,
            direction="rtl" if language.partition("-")[0] in _RIGHT_TO_LEFT else "ltr",
            form_action=form_action,
            nonce=nonce,
        )
        policy = (b"content-security-policy", _build_policy(form_action, frame_sources, nonce.value).encode("ascii"))
        referrer = NO_REFERRER if page == "form_post" else _SAME_ORIGIN
        return Response(status=status, headers=[*_HEADERS, referrer, policy], body=text.encode("utf-8", "replace"))

    def _choose_language(self, locales: Sequence[str]) -> str:
        """The first of ``locales`` (BCP 47, most wanted first) that has templates, its region dropped if need be."""
        for locale in locales:
            wanted = locale.lower().replace("_", "-")
            for language in (wanted, wanted.partition("-")[0]):
                if language == LANGUAGE or language in self._folders:
                    return language
        return LANGUAGE

    def _load_environment(self, language: str) -> Environment:
        environment = self._environments.get(language)
        if environment is None:
            environment = self._environments[language] = _build_environment(self._build_loader(language))
        return environment

    def _build_loader(self, language: str) -> BaseLoader:
        package = _load_package()
        loaders: list[BaseLoader] = [package, PrefixLoader({"grantway": package})]
        if self._directory is not None:
            folders = [self._directory / self._folders[language]] if language in self._folders else []
            loaders.insert(0, FileSystemLoader([*folders, self._directory]))
        return ChoiceLoader(loaders)


class _Nonce:
    """Makes the nonce of a page's script when a template asks for it: ``{{ nonce() }}``. Unasked, no script may run."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self.value: str | None = None

    def __call__(self) -> str:
        if self.value is None:
            self.value = base64.b64encode(self._entropy.token_bytes(16)).decode("ascii")
        return self.value


def _complete(page: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """``context`` with everything it may leave out. A client without a name goes by its ``client_id``."""
    complete = {**_COMMON, **_OPTIONAL.get(page, {}), **context}
    if complete.get("client"):
        client = {**_CLIENT, **complete["client"]}
        client["name"] = client.get("name") or client["client_id"]
        complete["client"] = client
    if complete.get("account"):
        complete["account"] = {**_ACCOUNT, **complete["account"]}
    return complete


def _find_languages(directory: Path | None) -> dict[str, str]:
    """Folders of ``directory`` that are named like a language, by that name in lower case."""
    if directory is None:
        return {}
    names = (entry.name for entry in directory.iterdir() if entry.is_dir())
    return {name.lower(): name for name in names if _LANGUAGE_TAG.fullmatch(name)}


@functools.cache
def _load_package() -> PackageLoader:
    return PackageLoader("grantway.web", "templates")


def _build_environment(loader: BaseLoader) -> Environment:
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,  # a template is compiled when first shown and kept
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["static"] = _build_static_url
    environment.filters |= {
        "form_target": page_filters.check_target,
        "device": page_filters.describe_device,
        "emphasised": page_filters.emphasise,
        "host": page_filters.find_host,
        "instant": page_filters.format_instant,
        "monogram": page_filters.build_monogram,
        "target": page_filters.build_target,
        "tint": page_filters.choose_tint,
        "web_link": page_filters.build_web_link,
    }
    environment.tests["loopback"] = page_filters.is_loopback
    return environment


@pass_context
def _build_static_url(context: Context, name: str) -> str:
    return build_static_url(context["base"], name)


def _build_policy(form_action: str | None, frame_sources: Sequence[str], nonce: str | None) -> str:
    """The page's Content-Security-Policy. Chromium applies ``form-action`` to the redirects after a form, too, so the
    client's redirect target has to be in it."""
    directives = ["default-src 'none'", "style-src 'self'", "img-src 'self'"]
    if nonce is not None:
        directives.append(f"script-src 'nonce-{nonce}'")
    framed = [source for source in frame_sources if _SOURCE.fullmatch(source)]
    if framed:
        directives.append(f"frame-src {' '.join(framed)}")
    target = f" {form_action}" if form_action is not None and _SOURCE.fullmatch(form_action) else ""
    directives += [f"form-action 'self'{target}", "base-uri 'none'", "frame-ancestors 'none'"]
    return "; ".join(directives)
