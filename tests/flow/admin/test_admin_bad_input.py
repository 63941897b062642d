"""Whatever is sent, the answer is a problem with a 4xx, with every header it has to have, and nothing is lost."""

import asyncio
import json

import httpx2
import pytest

from grantway.errors import StoreUnavailable
from grantway.web.admin_api import ROUTES
from grantway.web.admin_input import LARGEST_BODY

JSON = {"content-type": "application/json"}
WITH_BODY = [route for route in ROUTES if route.body is not None]


def describe(route):
    return f"{route.method} {route.path}"


def target(house, route):
    """A path on which something is, so that the body is really looked at."""
    path = route.path
    if "{client_id}" in path:
        path = path.replace("{client_id}", house.make_client().client.client_id)
    if "{sub}" in path:
        path = path.replace("{sub}", house.create("/admin/users", {"username": house.name("user")})["sub"])
    return path.replace("{name}", "other")


BOMBS = {
    "deep array": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "deep but closed": b"[" * 5000 + b"]" * 5000,
    "long number": b'{"username": ' + b"1" * 5000 + b"}",
    "huge exponent": b'{"username": 1e999}',
    "not a number": b'{"username": NaN}',
    "repeated name": b'{"username": "a", "username": "b"}',
    "lone surrogate": b'{"username": "\\ud800"}',
    "nul": b'{"username": "a\\u0000b"}',
    "nul in a name": b'{"a\\u0000b": "x"}',
    "not utf-8": b'{"username": "\xff"}',
    "byte order mark": b'\xef\xbb\xbf{"username": "x"}',
    "nothing": b"",
    "null": b"null",
    "a string": b'"x"',
    "a number": b"7",
    "half": b'{"username": "x',
    "trailing": b'{"username": "x"} {}',
}


@pytest.mark.threat("T144")
@pytest.mark.threat("T146")
@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("route", [route for route in WITH_BODY if "json" in route.media_types[0]], ids=describe)
def test_a_json_bomb_is_a_bad_request(house, route, bomb):
    if bomb == "nothing" and route.is_body_optional:
        return
    response = house.call(route.method, target(house, route), content=BOMBS[bomb], headers=JSON)
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.threat("T142")
@pytest.mark.parametrize("route", WITH_BODY, ids=describe)
def test_a_body_of_another_type_or_too_large_or_compressed_is_refused(house, route):
    path = target(house, route)
    for media_type in ("text/plain", "multipart/form-data; boundary=x", "application/xml", ""):
        response = house.call(route.method, path, content=b"{}", headers={"content-type": media_type})
        assert response.status_code == 415, media_type
    good = {"content-type": route.media_types[0]}
    assert house.call(route.method, path, content=b" " * (LARGEST_BODY + 1), headers=good).status_code == 413
    lying = house.call(route.method, path, content=b"{}", headers={**good, "content-length": "9" * 30})
    assert lying.status_code == 413
    assert house.call(route.method, path, content=b"x", headers={**good, "content-encoding": "gzip"}).status_code == 400


@pytest.mark.threat("T142")
def test_a_chunked_body_is_stopped_at_the_same_size(house):
    async def chunks():
        for _ in range(40):
            yield b" " * 65536

    response = house.call("POST", "/admin/users", content=chunks(), headers=JSON)
    assert response.status_code == 413


@pytest.mark.spec("RFC 9110 §15.5.6")
@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_another_method_is_answered_with_those_there_are(house, path):
    allowed = {route.method for route in ROUTES if route.path == path}
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"):
        if method in allowed:
            continue
        response = house.call(method, path.replace("{", "").replace("}", ""))
        assert response.status_code == 405
        assert set(response.headers["allow"].split(", ")) - {"HEAD"} == allowed


@pytest.mark.parametrize(
    "path",
    ["/", "/admin", "/admin/", "/admin/client", "/admin/clients/", "/admin/clients/a/b", "/admin/t/other/tenants",
     "/admin/t//clients", "/ADMIN/clients", "/oauth2/token", "/admin/clients/%00", "/admin/users/a%0ab"],
)  # fmt: skip
def test_an_unknown_path_is_a_problem_too(house, path):
    response = house.call("GET", path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == 404


def test_head_answers_as_get_does(house):
    response = house.call("HEAD", "/admin/clients")
    assert response.status_code == 200


@pytest.mark.threat("T97")
@pytest.mark.parametrize("route", ROUTES, ids=describe)
def test_every_answer_has_its_security_headers(house, route):
    path = route.path.replace("{", "").replace("}", "")
    answers = [
        house.call(route.method, path, token=None),
        house.call(route.method, path),
        house.call("BREW", path),
        house.call("GET", path + "/nothing/there"),
    ]
    for answer in answers:
        assert answer.status_code != 500
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert not {"server", "x-powered-by", "access-control-allow-origin"} & set(answer.headers)
        if answer.status_code != 204 and answer.headers["content-type"] != "text/plain; version=0.0.4; charset=utf-8":
            assert isinstance(answer.json(), dict | list)


@pytest.mark.threat("T95")
def test_nothing_that_was_sent_comes_back_as_anything_but_json(house):
    payload = "<script>alert(1)</script>"
    for response in (
        house.call("GET", f"/admin/clients/{payload}"),
        house.call("GET", "/admin/clients", params={payload: payload}),
        house.call("POST", "/admin/users", json={payload: payload}),
        house.call("POST", "/admin/clients", json={payload: payload}),
        house.call("PATCH", "/admin/tenants/other", json={payload: payload}),
    ):
        assert 400 <= response.status_code < 500
        assert response.headers["content-type"] == "application/problem+json"
        assert "alert" not in str(response.headers)


def test_with_the_database_away_the_answer_is_503_and_when_to_come_back(open_house, monkeypatch):
    token = open_house.token("grantway.admin")
    assert open_house.call("GET", "/admin/clients", token=token).status_code == 200

    async def away(*arguments, **more):
        raise StoreUnavailable(detail="connection refused by db.internal")

    for verb in ("list_clients", "insert_client", "load_subject", "ping"):
        monkeypatch.setattr(open_house.runtime.store, verb, away)
    document = {"grant_types": ["client_credentials"], "response_types": []}
    for answer in (
        open_house.call("GET", "/admin/clients", token=token),
        open_house.call("POST", "/admin/clients", token=token, json=document),
        open_house.call("DELETE", "/admin/users/nobody", token=token),
    ):
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert "db.internal" not in answer.text
    assert open_house.call("GET", "/health/alive", token=None).status_code == 200
    ready = open_house.call("GET", "/health/ready", token=None)
    assert (ready.status_code, ready.json()["errors"]) == (503, {"database": "connection refused by db.internal"})


def test_an_unexpected_fault_tells_nothing_about_itself(open_house, monkeypatch, caplog):
    async def broken(*arguments, **more):
        raise RuntimeError("secret inside")

    monkeypatch.setattr(open_house.runtime.store, "list_clients", broken)
    response = open_house.call("GET", "/admin/clients")
    assert (response.status_code, response.json()["type"]) == (500, "urn:grantway:problem:internal")
    assert "secret inside" not in response.text
    assert "GET /admin/clients failed" in caplog.text


def test_health_and_version_need_no_token(house):
    assert house.call("GET", "/health/alive", token=None).json() == {"status": "ok"}
    assert house.call("GET", "/health/ready", token=None).json() == {"status": "ok"}
    assert "version" in house.call("GET", "/version", token=None).json()


def test_metrics_are_given_where_the_built_in_telemetry_counts_them(open_house):
    from grantway.web.telemetry import Telemetry

    assert open_house.call("GET", "/metrics", token=None).status_code == 404
    open_house.runtime.events = Telemetry(open_house.runtime.settings.log)
    open_house.make_client()
    metrics = open_house.call("GET", "/metrics", token=None)
    assert metrics.headers["content-type"].startswith("text/plain")
    assert 'grantway_events_total{event="Administered"} 1.0' in metrics.text


def test_metrics_say_of_each_worker_what_it_knows_and_how_old_that_is():
    from prometheus_client.parser import text_string_to_metric_families

    from grantway.config import LogSettings
    from grantway.testing.in_process import InProcessServer
    from grantway.web.metrics import render_metrics
    from grantway.web.telemetry import Telemetry

    telemetry = Telemetry(LogSettings())
    server = InProcessServer({"limits.client_rate": 2, "limits.address_rate": 100}, events=telemetry)
    machine = server.register_client(grant_types=["client_credentials"], scope="read")
    statuses = [server.token(machine, grant_type="client_credentials").status_code for _ in range(3)]
    while server.runtime.grid.status()["position"] == 0:  # the feed is read every 50 ms
        server.run(asyncio.sleep(0.01))
    text = render_metrics(telemetry.board).decode()
    server.stop()
    assert statuses == [200, 200, 429]
    values = {
        (sample.name, *(value for name, value in sorted(sample.labels.items()) if name != "worker")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["grantway_tokens_issued_total", "client_credentials"] == 2
    assert values["grantway_token_requests_refused_total", "temporarily_unavailable", "client_credentials"] == 1
    assert values["grantway_rate_limit_decisions_total", "client", "granted"] == 2
    assert values["grantway_rate_limit_decisions_total", "client", "refused"] == 1
    assert values["grantway_rate_limit_decisions_total", "address", "granted"] == 3
    assert values["grantway_cache_entries", "clients"] == 1
    assert values["grantway_cache_loads_total", "clients"] == 1
    assert values["grantway_cache_hits_total", "clients"] >= 1
    assert values["grantway_sql_statements_total", "load_client"] >= 1
    assert values["grantway_feed_staleness_seconds",] >= 0
    assert values["grantway_feed_position",] >= 1
    assert values["grantway_worker_status_age_seconds",] < 60


def test_a_repeated_query_parameter_is_refused(house):
    response = house.call("GET", "/admin/users?prefix=a&prefix=b")
    assert response.status_code == 400


def test_strict_transport_is_said_over_https_only(house):
    assert "strict-transport-security" not in house.call("GET", "/version", token=None).headers
    response = house.run(house._http.get(httpx2.URL("https://127.0.0.1:4445/version")))
    assert "strict-transport-security" in response.headers


def test_a_problem_names_the_field(house):
    response = house.call(
        "POST", "/admin/users", content=json.dumps({"username": "x", "claims": {"email": 7}}), headers=JSON
    )
    assert response.status_code == 422
    assert response.json() == {
        "type": "urn:grantway:problem:unprocessable",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "claims.email: must be a string.",
        "errors": [{"field": "claims.email", "message": "must be a string."}],
    }
