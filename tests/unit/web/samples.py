"""A full context for every page, and the least one."""

from __future__ import annotations

from typing import Any

AT = 1_793_715_900_000
CLIENT = {
    "client_id": "photos",
    "name": "Harbour Photos",
    "logo_uri": "https://photos.example/logo.png",
    "client_uri": "https://photos.example/",
    "policy_uri": "https://photos.example/privacy",
    "tos_uri": "https://photos.example/terms",
}
ACCOUNT = {"username": "ada", "name": "Ada Lovelace", "email": "ada@example.org"}
FORM = {"csrf_token": "token", "action": "/interaction/1"}
REQUIREMENTS = ["At least 8 characters"]


def build_scope(name: str, *, is_new: bool = True, is_required: bool = False) -> dict[str, Any]:
    return {"name": name, "description": f"What {name} is", "is_new": is_new, "is_required": is_required}


def build_session(session_id: str, *, is_current: bool = False) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "is_current": is_current,
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "address": "203.0.113.7",
        "created_at": AT,
        "last_seen_at": AT,
        "expires_at": AT,
    }


FULL: dict[str, dict[str, Any]] = {
    "login": {
        **FORM, "client": CLIENT, "username": "ada", "error": "Wrong.", "can_register": True,
        "register_url": "/register", "cancel": True,
    },
    "select_account": {**FORM, "client": CLIENT, "account": ACCOUNT, "error": "Choose."},
    "consent": {
        **FORM, "client": CLIENT, "account": ACCOUNT, "error": "Choose.", "audiences": ["https://api.example"],
        "scopes": [
            build_scope("openid", is_new=False, is_required=True),
            build_scope("email", is_new=False),
            build_scope("photos:write"),
        ],
    },
    "device": {**FORM, "user_code": "BCDF-GHJK", "is_prefilled": True, "error": "Wrong."},
    "device_done": {"client": CLIENT, "is_allowed": False},
    "error": {"title": "This did not work", "error": "invalid_request", "description": "Why.", "client": CLIENT},
    "register": {
        **FORM, "client": CLIENT, "login_url": "/login", "requirements": REQUIREMENTS,
        "values": {"username": "ada", "email": "ada@", "name": "Ada"},
        "errors": {"username": "Taken.", "email": "Wrong.", "name": "Long.", "password": "Short.", "other": "No."},
    },
    "logout": {**FORM, "client": CLIENT, "account": ACCOUNT, "error": "Try again."},
    "logged_out": {"client": CLIENT, "return_url": "https://photos.example/bye?a=1&b=2"},
    "account": {
        **FORM, "account": ACCOUNT, "message": "Done.", "requirements": REQUIREMENTS,
        "errors": {"current_password": "Wrong.", "new_password": "Short.", "other": "No."},
        "sessions": [build_session("s1", is_current=True), build_session("s2")],
        "authorizations": [
            {"client_id": "photos", "name": "Photos", "logo_uri": None, "scope": ["openid", "email"], "created_at": AT}
        ],
    },
    "form_post": {
        "redirect_uri": "https://photos.example/callback?a=1", "fields": [("code", "gwac_1"), ("state", 'x"y')],
    },
}  # fmt: skip

LEAST: dict[str, dict[str, Any]] = {
    "login": FORM,
    "select_account": {**FORM, "account": {"username": "ada"}},
    "consent": {**FORM, "client": {"client_id": "photos"}, "account": {"username": "ada"}},
    "device": FORM,
    "device_done": {"client": {"client_id": "photos"}, "is_allowed": True},
    "error": {},
    "register": FORM,
    "logout": {**FORM, "account": {"username": "ada"}},
    "logged_out": {},
    "account": {"csrf_token": "token", "account": {"username": "ada"}},
    "form_post": {"redirect_uri": "com.example.photos:/callback", "fields": []},
}

IDS = {
    "login": {"username", "password", "remember", "login", "cancel"},
    "select_account": {"continue", "other"},
    "consent": {"allow", "deny", "scope-openid", "scope-email", "scope-photos:write"},
    "device": {"user_code", "continue"},
    "device_done": set(),
    "error": set(),
    "register": {"username", "email", "name", "password", "register"},
    "logout": {"logout", "stay"},
    "logged_out": set(),
    "account": {
        "revoke-photos", "end-s2", "end-others", "current_password", "new_password", "change-password", "logout",
    },
    "form_post": {"continue"},
}  # fmt: skip
