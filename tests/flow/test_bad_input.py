"""Bad input of every kind, on every parameter of every endpoint: refused, never a 500, never a hang."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grantway.testing.in_process import PASSWORD, InProcessServer, read_authorization_answer

FORM = {"content-type": "application/x-www-form-urlencoded"}

CORPUS = [
    "", "%00", "a%00b", "%ff", "%fe%ff", "%c0%80", "%c0%ae", "%ed%a0%80", "%ed%b0%80", "%f4%90%80%80",
    "%f8%88%80%80%80",
    "%e2%80%ae", "%e2%84%aa", "%d9%a1", "%ef%bf%bf", "%f0%9f%92%a9", "%0d%0aX:1", "%0a", "%09", "%1b%5b31m", "%7f",
    "%c2%85",
    "%E5%98%8A%E5%98%8D", "%zz", "%", "%2", "%u0041", "+", "a+b", "=", "==", ";", "'", '"', "\\", "`", "';--",
    "' OR 1=1--",
    "%22%3E%3Cscript%3E", "{{7*7}}", "${7*7}", "../../etc/passwd", "-1", "0", "1e999", "NaN", "Infinity", "true",
    "null",
    "%7B", "%7B%7D", "[]", "%5B" * 3000, "9" * 5000, "A" * 10_000, "%41" * 3000, "%20" * 2000, "gwat_", "gwrt_",
    "gwac_",
    "eyJhbGciOiJub25lIn0.e30.", "ey..", "....", "https://", "https://[", "https://[::1", "//", ":",
    "javascript:alert(1)",
]  # fmt: skip
RAW_BYTES = [b"\xff", b"\x00", b"\xc3\x28", b"\xed\xa0\x80", b"\x80" * 100, "é".encode()]
HASHED_CORPUS = CORPUS[::2]  # where every request costs a password hash

AUTHORIZATION = ["response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "prompt", "max_age",
                 "login_hint",
                 "id_token_hint", "acr_values", "ui_locales", "claims", "code_challenge", "code_challenge_method",
                 "display",
                 "response_mode", "request", "request_uri", "registration", "resource", "audience",
                 "claims_locales", "x"]  # fmt: skip
TOKEN = ["grant_type", "client_id", "client_secret", "code", "redirect_uri", "code_verifier", "refresh_token", "scope",
         "resource", "audience", "client_assertion", "x"]  # fmt: skip


@pytest.fixture(scope="module")
def house():
    running = InProcessServer({"interaction.registration": True, "throttle.account_attempts": 10**6,
                               "throttle.address_attempts": 10**6, "throttle.client_attempts": 10**6})  # fmt: skip
    running.register_user()
    yield running
    running.stop()


def is_sound(answer):
    """An answer, not an accident: and what it says is within RFC 6749's characters."""
    assert answer.status_code < 500, answer.text
    if answer.headers.get("content-type") == "application/json" and answer.status_code >= 400:
        description = answer.json()["error_description"]
        assert all(0x20 <= ord(c) <= 0x7E and c not in '"\\' for c in description)
    assert "Traceback" not in answer.text
    return True


def build_query(parameters, name, value):
    fixed = "&".join(f"{key}={content}" for key, content in parameters.items() if key != name)
    return f"{fixed}&{name}={value}"


@pytest.mark.threat("T146")
@pytest.mark.threat("T99")
@pytest.mark.parametrize("name", AUTHORIZATION)
def test_the_authorization_endpoint_survives_anything(house, name):
    client = house.register_client()
    good = {"response_type": "code", "client_id": client.client_id, "redirect_uri": "https%3A%2F%2Fclient.example%2Fcb",
            "scope": "openid", "state": "s", "code_challenge_method": "S256", "code_challenge": "c" * 43}  # fmt: skip
    for value in CORPUS:
        query = build_query(good, name, value)
        assert is_sound(house.get(f"/oauth2/auth?{query}"))
        assert is_sound(house.post("/oauth2/auth", content=query, headers=FORM))
    for raw in RAW_BYTES:
        body = build_query(good, name, "").encode() + raw
        assert is_sound(house.post("/oauth2/auth", content=body, headers=FORM))


@pytest.mark.threat("T146")
@pytest.mark.parametrize("name", TOKEN)
@pytest.mark.parametrize("grant_type", ["authorization_code", "refresh_token", "client_credentials"])
def test_the_token_endpoint_survives_anything(house, name, grant_type):
    client = house.register_client(grant_types=["authorization_code", "refresh_token", "client_credentials"])
    good = {"grant_type": grant_type, "code": "x", "refresh_token": "x"}
    for value in [*CORPUS, *RAW_BYTES]:
        query = build_query(good, name, "").encode() + (value if isinstance(value, bytes) else value.encode())
        for auth in (client.auth, None):
            answer = house.post("/oauth2/token", content=query, headers=FORM, auth=auth)
            assert is_sound(answer)
            assert answer.status_code != 200 or (grant_type == "client_credentials" and auth is not None)


@pytest.mark.threat("T146")
@pytest.mark.parametrize("path", ["/oauth2/introspect", "/oauth2/revoke"])
@pytest.mark.parametrize("name", ["token", "token_type_hint", "client_id", "client_secret"])
def test_introspection_and_revocation_survive_anything(house, path, name):
    client = house.register_client()
    for value in [*CORPUS, *RAW_BYTES]:
        query = build_query({"token": "x"}, name, "").encode() + (value if isinstance(value, bytes) else value.encode())
        answer = house.post(path, content=query, headers=FORM, auth=client.auth)
        assert is_sound(answer)
        if answer.status_code == 200 and answer.content:
            assert answer.json() == {"active": False}


@pytest.mark.threat("T146")
@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/login", ["username", "password", "remember", "action", "csrf_token"]),
        ("/account/sessions", ["session_id", "action", "csrf_token"]),
        ("/account/clients", ["client_id", "action"]),
        ("/account/password", ["current_password", "new_password"]),
        ("/oauth2/sessions/logout", ["id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"]),
        ("/register", ["username", "email", "name", "password"]),
        ("/interaction", ["id", "username", "password", "scope", "action"]),
    ],
)
def test_the_pages_survive_anything(house, path, names):
    browser = house.browser()
    browser.log_in()
    browser.open("/account")
    token = browser.forms()[0].fields["csrf_token"]
    for name in names:
        good = {"csrf_token": token} if "logout" not in path else {}
        good |= {"username": "x", "password": "y"} if path in ("/login", "/register") else {}
        for value in [*HASHED_CORPUS, *RAW_BYTES]:
            query = build_query(good, name, "").encode() + (value if isinstance(value, bytes) else value.encode())
            assert is_sound(house.run(browser.http.post(path, content=query, headers=FORM)))
            if isinstance(value, str):
                assert is_sound(house.run(browser.http.get(f"{path}?{name}={value}")))
    assert house.run(browser.http.get("/account")).status_code == 200


@pytest.mark.threat("T146")
@pytest.mark.parametrize("name", ["username", "password", "scope", "action", "remember"])
def test_a_waiting_interaction_survives_anything(house, name):
    client = house.register_client()
    browser = house.browser()
    browser.open(browser.build_authorization_url(client, scope="openid read"))
    for _ in range(2):  # at the login, then at the consent
        form = browser.forms()[0]
        good = {**form.fields, "username": "x", "password": "y", "action": "login"}
        for value in [*HASHED_CORPUS, *RAW_BYTES]:
            query = build_query(good, name, "").encode() + (value if isinstance(value, bytes) else value.encode())
            assert is_sound(house.run(browser.http.post(form.action, content=query, headers=FORM)))
        browser.open(browser.build_authorization_url(client, scope="openid read"))
        browser.submit(username="ada", password=PASSWORD, action="login")


@pytest.mark.threat("T146")
@pytest.mark.parametrize(
    "name",
    ["authorization", "cookie", "origin", "content-type", "user-agent", "host", "x-forwarded-for", "content-encoding",
     "sec-fetch-site", "accept-language", "accept", "if-none-match", "transfer-encoding", "range", "expect"],
)  # fmt: skip
def test_headers_of_any_kind_are_survived(house, name):
    values = [b"", b" ", b"\xff\xfe", b"\xc3\xa9", b"Basic", b"Basic \xff", b"Bearer \xff", b"Bearer " + b"a" * 50_000,
              b"Basic " + b"A" * 50_000, b'";=,', b"__Host-grantway_session=\xff", b"__Host-grantway_browser=x;" * 1000,
              b"multipart/form-data; boundary=\xff", b"gzip", b"application/x-www-form-urlencoded; charset=\xff",
              b"1" * 5000]  # fmt: skip
    for value in values:
        headers = [(name.encode(), value)]
        for method, path in (("POST", "/oauth2/token"), ("GET", "/userinfo"), ("GET", "/login"), ("POST", "/login"),
                             ("POST", "/oauth2/introspect"), ("GET", "/.well-known/jwks.json"), ("GET",
                              "/static/site.css")):  # fmt: skip
            answer = house.request(method, path, headers=headers, content=b"a=b" if method == "POST" else None)
            assert is_sound(answer), (method, path, value[:40])


# -- sizes ------------------------------------------------------------------------------------------------------------


def send_raw(house, headers, chunks, path="/oauth2/token"):
    """A request as an ASGI server hands it over, whatever its headers claim: (status, number of chunks read)."""
    sent, read = [], []
    pending = list(chunks)

    async def receive():
        if not pending:
            return {"type": "http.disconnect"}
        read.append(1)
        return {"type": "http.request", "body": pending.pop(0), "more_body": bool(pending)}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
             "root_path": "", "headers": headers, "client": ("192.0.2.1", 1), "scheme": "https",
             "http_version": "1.1"}  # fmt: skip
    house.run(house.public_app(scope, receive, send))
    return sent[0]["status"], len(read)


@pytest.mark.threat("T142")
@pytest.mark.parametrize(
    "length", [b"-1", b"abc", b"", b"1, 1", b"9" * 5000, b"99999999999999999999", b"65537", b"\xb2", b"+5", b"1e3"]
)
def test_a_body_length_that_is_none_or_too_much_is_refused_unread(house, length):
    content_type = (b"content-type", FORM["content-type"].encode())
    status, read = send_raw(house, [content_type, (b"content-length", length)], [b"a=b"])
    assert (status, read) == (413, 0)


@pytest.mark.threat("T142")
@pytest.mark.parametrize("path", ["/oauth2/token", "/login", "/userinfo", "/oauth2/auth", "/nowhere"])
def test_a_body_without_a_length_is_cut_off_at_the_limit(house, path):
    status, read = send_raw(house, [(b"content-type", FORM["content-type"].encode())], [b"a" * 10_000] * 1000, path)
    assert (status, read) == (413, 7)
    assert house.post(path, content=b"a" * 10_000_000, headers=FORM).status_code == 413


@pytest.mark.threat("T142")
def test_a_client_that_leaves_is_no_accident(house):
    status, _ = send_raw(house, [(b"content-type", FORM["content-type"].encode())], [])
    assert status == 400


@pytest.mark.threat("T142")
def test_a_compressed_body_is_refused(house):
    import gzip

    for encoding in ("gzip", "br", "deflate", "gzip, identity"):
        headers = {**FORM, "content-encoding": encoding}
        answer = house.post("/oauth2/token", content=gzip.compress(b"a" * 10_000_000), headers=headers)
        assert answer.status_code == 400


@pytest.mark.threat("T142")
def test_a_flood_of_fields_is_refused(house):
    client = house.register_client()
    for fields in ("&".join(f"a{n}=1" for n in range(201)), "&" * 60_000, "a&" * 30_000, "&".join(["scope=x"] * 300)):
        answer = house.post("/oauth2/token", content=fields, headers=FORM, auth=client.auth)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert house.get(f"/oauth2/auth?{fields}").status_code == 400
        assert house.get(f"/interaction?{fields}").status_code == 400


@pytest.mark.threat("T36")
@pytest.mark.parametrize(
    "name", ["client_id", "redirect_uri", "scope", "state", "nonce", "login_hint", "acr_values", "audience"]
)
def test_ten_thousand_characters_are_too_many(house, name):
    client = house.register_client()
    answer = house.request_authorization(client, **{name: "a" * 10_000})
    received = read_authorization_answer(answer)
    assert answer.status_code == 400 if received is None else "error" in received[1]


# -- JSON and lists ---------------------------------------------------------------------------------------------------

CLAIMS = [
    "[" * 5000, '{"a":' * 2000, '{"userinfo":' + "9" * 5000 + "}", '{"userinfo":{"email":{"value":' + "9" * 400 + "}}}",
    '{"userinfo":{"email":{"value":1e999}}}', '{"userinfo":{"email":{"value":NaN}}}', '{"userinfo":1,"userinfo":{}}',
    '{"userinfo":[]}', '{"userinfo":{"email":1}}', '{"userinfo":{"email":{"essential":"yes"}}}', '"x"', "7", "null",
    "[]",
    '{"userinfo":{"email":{"values":7}}}', '{"userinfo":{"email":{"values":' + json.dumps(list(range(100))) + "}}}",
    '{"userinfo":{"e":{"value":"\\ud800"}}}', '{"\\ud800":1}',
    '{"userinfo":' + json.dumps({f"c{n}": None for n in range(101)}) + "}",
    '{"id_token":{"sub":{"value":7}}}', '{"userinfo":{"email":{"value":' + "[" * 50 + "]" * 50 + "}}}", "{", "{}x",
    "{'a':1}",
    '{"userinfo":{"email":null,"email":null}}', "\ufeff{}",
    '{"id_token":{"acr":{"essential":true,"values":[{},[],1]}}}',
]  # fmt: skip


@pytest.mark.threat("T144")
@pytest.mark.threat("T145")
@pytest.mark.parametrize("claims", CLAIMS, ids=range(len(CLAIMS)))
def test_json_that_is_a_bomb_or_no_json_is_refused(house, claims):
    client = house.register_client()
    received = read_authorization_answer(house.request_authorization(client, claims=claims))
    assert received is not None
    assert received[1]["error"] in ("invalid_request", "unmet_authentication_requirements")


@pytest.mark.threat("T145")
@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("scope", " ".join(f"s{n}" for n in range(8000)), "invalid_scope"),
        ("scope", "openid " * 1000, "invalid_scope"),
        ("ui_locales", " ".join(f"x{n}" for n in range(10_000)), "invalid_request"),
        ("acr_values", " ".join(f"x{n}" for n in range(100)), "invalid_request"),
        ("audience", " ".join(f"x{n}" for n in range(100)), "invalid_target"),
    ],
)
def test_lists_without_end_are_refused(house, name, value, error):
    client = house.register_client()
    received = read_authorization_answer(house.request_authorization(client, **{name: value}))
    assert received[1]["error"] == error


@pytest.mark.threat("T145")
def test_repeated_resources_are_bounded(house):
    client = house.register_client(audience=[f"https://api{n}.example" for n in range(50)])
    url = house.browser().build_authorization_url(client)
    resources = "".join(f"&resource=https://api{n}.example" for n in range(50))
    assert read_authorization_answer(house.get(url + resources))[1]["error"] == "invalid_target"


@pytest.mark.threat("T144")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300), cookie=st.binary(max_size=80))
def test_random_bytes_are_survived(house, data, cookie):
    headers = [(b"content-type", FORM["content-type"].encode()), (b"cookie", b"__Host-grantway_session=" + cookie)]
    headers = [(name, value) for name, value in headers if not set(value) & {0, 10, 13}]
    for path in ("/oauth2/token", "/oauth2/auth", "/login", "/userinfo", "/oauth2/sessions/logout", "/interaction"):
        status, _ = send_raw(house, headers, [data], path)
        assert status < 500
