"""``format`` at the token endpoint: the answer, an error too, as JSON, as a form, or as XML (Axway API Gateway).

The form is ``application/x-www-form-urlencoded``; the XML has a root ``OAuth`` and an element for each member, as the
drafts of OAuth 2.0 had it before JSON was left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

import msgspec
from msgspec.structs import replace

from grantway.config import Settings
from grantway.errors import InvalidRequest, OAuthError
from grantway.extension import Call, Endpoint, Feature
from grantway.model import Client
from grantway.protocol.message import Parameters, Response

_ELEMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_UNFIT: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may hold (XML 1.0 §2.2)."""


class TokenFormats(Feature):
    name = "token_formats"
    is_replayable = True
    parameters = ("format",)

    def is_enabled(self, settings: Settings) -> bool:
        return settings.compat.token_formats

    def check_token_request(self, call: Call, client: Client, parameters: Parameters) -> None:
        wanted = parameters.get("format")
        if wanted is not None and wanted != "json" and wanted not in _FORMATS:
            raise InvalidRequest("The format must be json, urlencoded or xml.")

    async def shape_response(self, call: Call, endpoint: Endpoint, response: Response) -> Response:
        if endpoint.name != "token" or not response.body:
            return response
        build = _FORMATS.get(_read_format(call))
        if build is None:
            return response
        content_type, body = build(msgspec.json.decode(response.body))
        headers = [header for header in response.headers if header[0] != b"content-type"]
        return replace(response, headers=[(b"content-type", content_type), *headers], body=body)


def _read_format(call: Call) -> str:
    """Empty where it cannot be known: what is wrong with such a request is said in JSON."""
    try:
        parameters = call.form()
    except OAuthError:
        return ""
    return "" if "format" in parameters.repeated else parameters.get("format") or ""


def build_form(members: Mapping[str, Any]) -> tuple[bytes, bytes]:
    fields = {name: _build_text(value) for name, value in members.items()}
    return b"application/x-www-form-urlencoded", urlencode(fields).encode()


def build_xml(members: Mapping[str, Any]) -> tuple[bytes, bytes]:
    elements = "".join(_build_element(name, _build_text(value)) for name, value in members.items())
    document = f'<?xml version="1.0" encoding="UTF-8"?>\n<OAuth>{elements}</OAuth>\n'
    return b"application/xml", document.encode()


def _build_element(name: str, text: str) -> str:
    """A name that XML does not allow, of a plug-in's member, stands in an attribute."""
    content = escape(_UNFIT.sub("\ufffd", text))
    if _ELEMENT.fullmatch(name):
        return f"<{name}>{content}</{name}>"
    return f"<member name={quoteattr(_UNFIT.sub(chr(0xFFFD), name))}>{content}</member>"


def _build_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


_FORMATS: Final[Mapping[str, Callable[[Mapping[str, Any]], tuple[bytes, bytes]]]] = {
    "urlencoded": build_form,
    "xml": build_xml,
}
