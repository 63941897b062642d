"""URLs in client metadata: which members are fetched, framed or linked to, and what none of them may be."""

from __future__ import annotations

FETCHED = ("jwks_uri", "sector_identifier_uri", "backchannel_logout_uri")
SHOWN = ("logo_uri", "policy_uri", "tos_uri", "client_uri", "frontchannel_logout_uri")
HTTPS_ONLY = ("jwks_uri", "sector_identifier_uri")

UNACCEPTABLE = (
    "", " ", "x", "/keys", "//rp.example/keys", "https:", "https://", "https:///keys", "https:rp.example/keys",
    "http://rp.example/keys", "ftp://rp.example/keys", "file:///etc/passwd", "gopher://127.0.0.1:6379/_x",
    "javascript:alert(1)", "data:application/json,{}", "jar:https://rp.example/", "unix:///run/docker.sock",
    "https://user@rp.example/keys", "https://user:password@rp.example/keys", "https://rp.example/keys#x",
    "https://rp.example\\@127.0.0.1/keys", "https://rp.example /keys", "https://rp.example/\r\nx: y",
    "https://rp.example/\t", "https://rp.example/\x7f", "https://rp.example:port/keys", "https://rp.example:99999/keys",
    "https://rp.example:/keys", "https://[::1/keys", "https://b\u00fccher.example/keys", "https://rp.example/\u202e",
    "https://rp.example/" + "x" * 2048,
)  # fmt: skip
NOT_TEXT = (7, True, ["https://rp.example/keys"], {"url": "https://rp.example/keys"})
"""What none of them may be, whoever registers it."""


def build_document(name: str, url: object) -> dict[str, object]:
    """A client document with it, and with what has to go with it."""
    return {"redirect_uris": ["https://rp.example/cb"], name: url}
