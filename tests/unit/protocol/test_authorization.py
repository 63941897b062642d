"""Every rule of an authorization request, and their order."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from grantway.errors import (
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    OAuthError,
    RegistrationNotSupported,
    RequestNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnmetAuthenticationRequirements,
    UnsupportedResponseType,
)
from grantway.model import AuthorizationRequest, ClaimRequest, ClaimsRequest, Client
from grantway.protocol.authorization import (
    MAX_CLAIMS_SIZE,
    MAX_NONCE_LENGTH,
    MAX_STATE_LENGTH,
    RULES,
    AuthorizationPolicy,
    check_authorization_request,
    default_response_mode,
    parse_audience,
    parse_response_mode,
    parse_state,
)
from grantway.protocol.message import parse_parameters
from grantway.protocol.vocabulary import RESPONSE_TYPES

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
CLIENT = Client(
    tenant="default",
    client_id="A",
    redirect_uris=("https://a.example/cb",),
    scope=("openid", "profile", "email", "read"),
    default_scope=("read",),
    audience=("https://api.example/", "reports"),
)
PUBLIC = msgspec.structs.replace(CLIENT, token_endpoint_auth_method="none")
GOOD = {"response_type": "code", "scope": "openid profile", "state": "s"}


def check(
    sent: dict[str, Any] | None = None,
    *,
    client: Client = CLIENT,
    response_mode: str = "query",
    redirect_uri_given: bool = True,
    extra: str = "",
    **policy: Any,
) -> AuthorizationRequest:
    """Checks GOOD with the changes ``sent``; None leaves a parameter out."""
    values = {name: value for name, value in {**GOOD, **(sent or {})}.items() if value is not None}
    return check_authorization_request(
        parse_parameters((urlencode(values) + extra).encode()),
        client,
        redirect_uri="https://a.example/cb",
        redirect_uri_given=redirect_uri_given,
        response_mode=response_mode,
        policy=AuthorizationPolicy(**policy),
    )


def refuse(error: type[OAuthError], sent: dict[str, Any] | None = None, **options: Any) -> str:
    with pytest.raises(OAuthError) as caught:
        check(sent, **options)
    assert type(caught.value) is error
    return caught.value.description


@pytest.mark.spec("RFC 6749 §4.1.1")
def test_a_plain_request_passes() -> None:
    assert check() == AuthorizationRequest(
        client_id="A", redirect_uri="https://a.example/cb", scope=("openid", "profile"), state="s"
    )


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_a_full_request_keeps_everything_it_said() -> None:
    request = check(
        {
            "nonce": "n",
            "prompt": "login consent login",
            "max_age": "0",
            "display": "touch",
            "login_hint": "ada@example.com",
            "acr_values": "1 2 1",
            "ui_locales": "de-CH en _x_",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "resource": "https://api.example/",
            "audience": "reports https://api.example/",
            "claims": '{"id_token":{"email":null}}',
            "unknown": "ignored",
        },
        response_mode="form_post",
        redirect_uri_given=False,
        hinted_subject="ada",
    )
    assert request == AuthorizationRequest(
        client_id="A",
        redirect_uri="https://a.example/cb",
        redirect_uri_given=False,
        response_mode="form_post",
        scope=("openid", "profile"),
        audience=("https://api.example/", "reports"),
        state="s",
        nonce="n",
        prompt=("login", "consent"),
        max_age=0,
        login_hint="ada@example.com",
        hinted_subject="ada",
        acr_values=("1", "2"),
        ui_locales=("de-CH", "en"),
        display="touch",
        claims=ClaimsRequest(id_token={"email": None}),
        code_challenge=CHALLENGE,
    )


def test_the_rules_are_applied_in_the_order_they_are_listed() -> None:
    broken = [
        ("no parameter repeated", {}, "&prompt=&prompt="),
        ("state", {"state": "é"}, ""),
        ("response_type", {"response_type": "token"}, ""),
        ("request", {"request": "x"}, ""),
        ("request_uri", {"request_uri": "x"}, ""),
        ("registration", {"registration": "x"}, ""),
        ("scope", {"scope": "unknown"}, ""),
        ("resource, audience", {"audience": "unknown"}, ""),
        ("code_challenge", {"code_challenge": "x"}, ""),
        ("nonce", {"nonce": "é"}, ""),
        ("prompt", {"prompt": "unknown"}, ""),
        ("max_age", {"max_age": "x"}, ""),
        ("display", {"display": "x"}, ""),
        ("login_hint", {"login_hint": "x" * 300}, ""),
        ("acr_values", {"acr_values": "é"}, ""),
        ("ui_locales", {"ui_locales": "é"}, ""),
        ("claims", {"claims": "x"}, ""),
    ]
    names = [rule.name for rule in RULES]
    assert [name for name, _, _ in broken] == [name for name in names[:-1] if name != "response_mode"]
    assert all(rule.spec for rule in RULES)

    def describe(faults: list[tuple[str, dict[str, str], str]]) -> str:
        sent = {name: value for _, values, _ in faults for name, value in values.items()}
        with pytest.raises(OAuthError) as caught:
            check({"scope": "openid", **sent}, extra="".join(extra for _, _, extra in faults))
        return caught.value.description

    for position, fault in enumerate(broken):
        # Everything from here on is broken: the answer is the same as if only this one were.
        assert describe(broken[position:]) == describe([fault])


@pytest.mark.spec("RFC 6749 §3.1")
@pytest.mark.threat("T12")
@pytest.mark.parametrize("name", ["scope", "state", "prompt", "code_challenge", "nonce", "anything"])
def test_a_repeated_parameter_is_refused(name: str) -> None:
    refuse(InvalidRequest, {name: GOOD.get(name)}, extra=f"&{name}=a&{name}=a")


@pytest.mark.spec("RFC 6749 §4.1.2.1")
def test_the_response_type_is_known_and_allowed() -> None:
    refuse(InvalidRequest, {"response_type": None})
    refuse(InvalidRequest, {"response_type": ""})
    for unknown in ("CODE", "none", "code code", "code  token", "code none", " code"):
        refuse(UnsupportedResponseType, {"response_type": unknown})
    for unregistered in RESPONSE_TYPES[1:]:
        refuse(UnauthorizedClient, {"response_type": unregistered})
    refuse(UnauthorizedClient, client=msgspec.structs.replace(CLIENT, response_types=()))
    refuse(UnauthorizedClient, client=msgspec.structs.replace(CLIENT, grant_types=("client_credentials",)))


FRONT = msgspec.structs.replace(CLIENT, response_types=RESPONSE_TYPES, grant_types=("authorization_code", "implicit"))


@pytest.mark.spec("RFC 6749 §3.1.1")
@pytest.mark.parametrize("response_type", RESPONSE_TYPES)
def test_a_registered_response_type_is_taken_in_any_order_of_its_words(response_type: str) -> None:
    reversed_words = " ".join(reversed(response_type.split(" ")))
    given = {"response_type": reversed_words, "nonce": "n"}
    request = check(given, client=FRONT, response_mode="fragment")
    assert request.response_type == response_type
    assert request.answers == response_type.split(" ")


@pytest.mark.parametrize(("response_type", "missing"), [("token", "implicit"), ("code token", "authorization_code")])
def test_a_response_type_needs_its_grant_types(response_type: str, missing: str) -> None:
    grants = tuple(grant for grant in FRONT.grant_types if grant != missing)
    client = msgspec.structs.replace(FRONT, grant_types=grants)
    refuse(UnauthorizedClient, {"response_type": response_type}, client=client, response_mode="fragment")


@pytest.mark.spec("OpenID Connect Core §3.2.2.1")
@pytest.mark.spec("OpenID Connect Core §3.3.2.11")
@pytest.mark.parametrize("response_type", RESPONSE_TYPES)
def test_an_id_token_in_the_front_channel_needs_nonce_and_openid(response_type: str) -> None:
    def ask(**parameters: str | None) -> None:
        check({"response_type": response_type, **parameters}, client=FRONT, response_mode="fragment")

    ask(nonce="n", scope="openid")
    if "id_token" not in response_type:
        ask(nonce=None, scope="openid")
        return
    for bad in ({"nonce": None}, {"nonce": ""}, {"nonce": "n", "scope": "profile"}):
        with pytest.raises(InvalidRequest):
            ask(**bad)


@pytest.mark.spec("OpenID Connect Core §11")
def test_offline_access_is_ignored_where_there_is_no_code() -> None:
    client = msgspec.structs.replace(FRONT, scope=("openid", "offline_access"))
    given = {"nonce": "n", "scope": "openid offline_access", "response_type": "id_token token"}
    assert check(given, client=client, response_mode="fragment").scope == ("openid",)
    given["response_type"] = "code id_token"
    assert check(given, client=client, response_mode="fragment").scope == ("openid", "offline_access")


def test_a_public_client_needs_no_pkce_where_there_is_no_code() -> None:
    public = msgspec.structs.replace(FRONT, token_endpoint_auth_method="none")
    given = {"code_challenge": None, "code_challenge_method": None, "response_type": "token"}
    assert check(given, client=public, response_mode="fragment").code_challenge is None
    with pytest.raises(InvalidRequest):
        check({**given, "response_type": "code token"}, client=public, response_mode="fragment")


@pytest.mark.spec("OAuth 2.0 Multiple Response Types §2.1")
@pytest.mark.threat("T9")
def test_the_response_mode_is_one_the_client_has() -> None:
    client = msgspec.structs.replace(CLIENT, response_modes=("query",))
    assert check(client=client).response_mode == "query"
    refuse(InvalidRequest, client=client, response_mode="fragment")


@pytest.mark.spec("OAuth 2.0 Multiple Response Types §2.1")
@pytest.mark.threat("T9")
def test_the_response_mode_is_known_and_suits_the_response_type() -> None:
    def parse(mode: str, response_type: str | None = "code") -> str:
        return parse_response_mode(parse_parameters(urlencode({"response_mode": mode}).encode()), response_type)

    assert [parse(mode) for mode in ("", "query", "fragment", "form_post")] == [
        "query",
        "query",
        "fragment",
        "form_post",
    ]
    assert parse("", "code id_token") == "fragment"
    assert parse("", None) == "query"
    assert parse("form_post", "token") == "form_post"
    assert default_response_mode("token") == "fragment"
    for mode in ("web_message", "jwt", "QUERY", "query "):
        with pytest.raises(InvalidRequest):
            parse(mode)
    with pytest.raises(InvalidRequest):
        parse("query", "id_token")


@pytest.mark.spec("OpenID Connect Core §6.1")
@pytest.mark.spec("OpenID Connect Core §6.2")
@pytest.mark.spec("OpenID Connect Core §7.2.1")
@pytest.mark.spec("OpenID Connect Core §3.1.2.6")
def test_what_is_not_supported_has_its_own_error() -> None:
    refuse(RequestNotSupported, {"request": "x"})
    refuse(RequestUriNotSupported, {"request_uri": "https://a.example/r"})
    refuse(RegistrationNotSupported, {"registration": "{}"})
    assert check({"request": "", "request_uri": "", "registration": ""})


@pytest.mark.spec("RFC 6749 Appendix A.5")
@pytest.mark.threat("T16")
def test_a_state_is_kept_byte_for_byte() -> None:
    state = '"><svg/onload=1>&code=x%20 +~\\'
    assert check({"state": state}).state == state
    assert check({"state": "x" * MAX_STATE_LENGTH}).state == "x" * MAX_STATE_LENGTH
    assert check({"state": None}).state is None


@pytest.mark.threat("T16")
@pytest.mark.parametrize("raw", ["é", "\u00a0", "\u0085", "x" * (MAX_STATE_LENGTH + 1)])
def test_a_state_that_cannot_be_echoed_is_refused_and_not_repeated(raw: str) -> None:
    assert raw not in refuse(InvalidRequest, {"state": raw})


@pytest.mark.threat("T16")
@pytest.mark.parametrize("raw", [b"state=a%0d%0aSet-Cookie:x", b"state=%00"])
def test_a_state_with_control_characters_is_not_even_decoded(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_parameters(raw)


@pytest.mark.threat("T12")
def test_a_repeated_state_is_not_echoed() -> None:
    with pytest.raises(InvalidRequest):
        parse_state(parse_parameters(b"state=a&state=a"))


@pytest.mark.spec("RFC 6749 §3.3")
def test_the_scope_is_within_the_clients() -> None:
    assert check({"scope": None}).scope == ("read",)
    assert check({"scope": "email openid email"}).scope == ("email", "openid")
    refuse(InvalidScope, {"scope": "openid write"})
    refuse(InvalidScope, {"scope": 'open"id'})
    refuse(InvalidScope, {"scope": None}, client=msgspec.structs.replace(CLIENT, default_scope=()))
    refuse(InvalidScope, {"scope": None}, client=msgspec.structs.replace(CLIENT, scope=("openid",)))


@pytest.mark.spec("RFC 8707 §2.1")
@pytest.mark.spec("RFC 8707 §2")
@pytest.mark.threat("T43")
def test_resources_and_audiences_are_the_clients() -> None:
    extra = "&resource=https://api.example/&audience=reports&audience=reports&resource="
    assert check(extra=extra).audience == ("https://api.example/", "reports")
    assert check().audience == ()
    for resource in (
        "https://other.example/", "https://api.example", "https://api.example/#", "https://api.example/#x", "api",
        "/api", "https:", "reports", "https://api.example/ https://api.example/", "https://api.example/é",
    ):  # fmt: skip
        refuse(InvalidTarget, {"resource": resource})
    refuse(InvalidTarget, {"audience": "reports other"})
    refuse(InvalidTarget, {"audience": "reports"}, client=msgspec.structs.replace(CLIENT, audience=()))


@pytest.mark.threat("T145")
def test_the_number_of_audiences_is_bounded() -> None:
    names = tuple(f"a{n}" for n in range(21))
    client = msgspec.structs.replace(CLIENT, audience=names)
    assert parse_audience(parse_parameters(b"audience=" + "+".join(names[:20]).encode()), client) == names[:20]
    with pytest.raises(InvalidTarget):
        parse_audience(parse_parameters(b"audience=" + "+".join(names).encode()), client)


@pytest.mark.spec("RFC 7636 §4.4.1")
@pytest.mark.threat("T25")
def test_pkce_is_required_of_public_clients_and_by_option_of_all() -> None:
    sound = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    assert check().code_challenge is None
    refuse(InvalidRequest, client=PUBLIC)
    refuse(InvalidRequest, client=msgspec.structs.replace(CLIENT, require_pkce=True))
    refuse(InvalidRequest, require_pkce=True)
    for client in (CLIENT, PUBLIC):
        assert check(sound, client=client, require_pkce=True).code_challenge == CHALLENGE
        refuse(InvalidRequest, {**sound, "code_challenge_method": "plain"}, client=client)
        refuse(InvalidRequest, {**sound, "code_challenge_method": None}, client=client)
        refuse(InvalidRequest, {**sound, "code_challenge": ""}, client=client)
        refuse(InvalidRequest, {"code_challenge_method": "S256"}, client=client)
        refuse(InvalidRequest, {"code_challenge": ""}, client=client)


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_a_nonce_is_kept_for_openid_connect_and_bounded_for_all() -> None:
    assert check({"nonce": "n" * MAX_NONCE_LENGTH}).nonce == "n" * MAX_NONCE_LENGTH
    assert check({"scope": "read", "nonce": "n"}).nonce is None
    for nonce in ("n" * (MAX_NONCE_LENGTH + 1), "é"):
        refuse(InvalidRequest, {"nonce": nonce})


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_prompt_is_known_and_none_stands_alone() -> None:
    assert check({"prompt": ""}).prompt == ()
    assert check({"prompt": "none none"}).prompt == ("none",)
    assert check({"prompt": " select_account  login"}).prompt == ("select_account", "login")
    assert check({"scope": "read", "prompt": "none"}).prompt == ("none",)
    for prompt in ("none login", "consent none", "None", "create", "login,consent"):
        refuse(InvalidRequest, {"prompt": prompt})


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
@pytest.mark.threat("T146")
def test_max_age_is_a_number_of_seconds() -> None:
    assert check().max_age is None
    assert check({"max_age": "86400"}).max_age == 86400
    for max_age in ("-1", "+1", "1.0", "1e3", " 1", "1_0", "\u0661", "\u00b2", "9" * 11, "9" * 5000):
        refuse(InvalidRequest, {"max_age": max_age})


@pytest.mark.spec("RFC 5646 §2.1")
@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
@pytest.mark.threat("T145")
def test_what_steers_the_pages_is_known_and_bounded() -> None:
    refuse(InvalidRequest, {"display": "hologram"})
    assert check({"login_hint": "Zoë Müller"}).login_hint == "Zoë Müller"
    for hint in ("x" * 257, "a\u2028b", "a\u202eb"):
        refuse(InvalidRequest, {"login_hint": hint})
    for name in ("acr_values", "ui_locales"):
        refuse(InvalidRequest, {name: "x" * 1025})
        refuse(InvalidRequest, {name: " ".join(map(str, range(21)))})
        assert len(getattr(check({name: " ".join(map(str, range(20)))}), name)) == 20
    assert check({"ui_locales": "x" * 36}).ui_locales == ()
    client = msgspec.structs.replace(CLIENT, default_acr_values=("7",))
    assert check(client=client).acr_values == ("7",)
    assert check({"acr_values": "1"}, client=client).acr_values == ("1",)


@pytest.mark.spec("OpenID Connect Core §5.5")
def test_the_claims_parameter_is_read() -> None:
    claims = {
        "userinfo": {
            "name": {"essential": True},
            "email": {"value": "a@example.com", "more": 1},
            "phone_number": None,
            "http://example.info/claims/groups": None,
        },
        "id_token": {"acr": {"values": ["1", "2"]}, "auth_time": {"essential": False}},
        "more": {"x": "y"},
    }
    assert check({"claims": json.dumps(claims)}).claims == ClaimsRequest(
        userinfo={
            "name": ClaimRequest(essential=True),
            "email": ClaimRequest(value="a@example.com"),
            # phone_number belongs to a scope this client was not registered for
            "http://example.info/claims/groups": None,
        },
        id_token={"acr": ClaimRequest(values=("1", "2")), "auth_time": ClaimRequest()},
    )
    assert check({"claims": "{}"}).claims == ClaimsRequest()
    assert check({"claims": '{"userinfo":null}'}).claims == ClaimsRequest()
    assert check({"claims": "not JSON", "scope": "read"}).claims is None


@pytest.mark.spec("OpenID Connect Core §5.5")
@pytest.mark.threat("T144")
@pytest.mark.threat("T145")
@pytest.mark.parametrize(
    "claims",
    [
        "x", "[]", "null", '{"userinfo":[]}', '{"userinfo":"x"}', '{"id_token":{"a":1}}', '{"id_token":{"a":"x"}}',
        '{"id_token":{"a":[]}}', '{"id_token":{"a":{"essential":1}}}', '{"id_token":{"a":{"essential":"true"}}}',
        '{"id_token":{"a":{"essential":null}}}', '{"id_token":{"a":{"values":"x"}}}',
        '{"id_token":{"a":{"value":NaN}}}',
        '{"id_token":{"a":{"values":[' + ",".join("1" * 21) + "]}}}", '{"id_token":{"a":null,"a":null}}',
        '{"userinfo":{' + ",".join(f'"c{n}":null' for n in range(101)) + "}}", '{"a":"' + "x" * MAX_CLAIMS_SIZE + '"}',
        '{"a":' * 9 + "1" + "}" * 9, "[" * 8000, '{"id_token":{"a":{"value":' + "9" * 5000 + "}}}",
    ],
)  # fmt: skip
def test_a_claims_parameter_of_another_shape_or_size_is_refused(claims: str) -> None:
    refuse(InvalidRequest, {"claims": claims})


@pytest.mark.spec("OpenID Connect Core §5.5.1.1")
@pytest.mark.parametrize(
    ("acr", "is_met"),
    [
        ({"essential": True, "value": "1"}, True),
        ({"essential": True, "values": ["9", "2"]}, True),
        ({"essential": True}, True),
        (None, True),
        ({"values": ["9"]}, True),
        ({"essential": True, "value": "9"}, False),
        ({"essential": True, "values": ["9", "8"]}, False),
    ],
)
def test_an_essential_acr_no_log_in_can_reach_is_refused_at_once(acr: Any, is_met: bool) -> None:
    claims = {"claims": json.dumps({"id_token": {"acr": acr}})}
    assert check(claims)
    if is_met:
        assert check(claims, acr_values=("1", "2"))
    else:
        refuse(UnmetAuthenticationRequirements, claims, acr_values=("1", "2"))


@pytest.mark.spec("OpenID Connect Core §5.5.1")
@pytest.mark.threat("T106")
def test_hint_and_claims_name_the_subject_that_has_to_log_in() -> None:
    def ask(sub: Any) -> dict[str, str]:
        return {"claims": json.dumps({"id_token": {"sub": sub}})}

    assert check(hinted_subject="ada").hinted_subject == "ada"
    assert check(ask({"value": "ada"})).hinted_subject == "ada"
    assert check(ask({"value": "ada"}), hinted_subject="ada").hinted_subject == "ada"
    assert check(ask(None), hinted_subject="ada").hinted_subject == "ada"
    assert check(ask({"essential": True})).hinted_subject is None
    refuse(InvalidRequest, ask({"value": "eve"}), hinted_subject="ada")
    refuse(InvalidRequest, ask({"value": 1}))
