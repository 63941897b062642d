"""Durations as clients of Hydra write them."""

from __future__ import annotations

from typing import Any

import pytest

from grantway.errors import InvalidClientMetadata
from grantway.model import Client
from grantway.protocol.lifespan import (
    NO_LIFESPANS,
    describe_lifespans,
    find_lifespans,
    format_lifespan,
    is_lifespan,
    parse_lifespan,
)


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [
        ("1s", 1, "1s"),
        ("59s", 59, "59s"),
        ("60s", 60, "1m0s"),
        ("90m", 5400, "1h30m0s"),
        ("1h0m0s", 3600, "1h0m0s"),
        ("1.5h", 5400, "1h30m0s"),
        ("1s999ms", 1, "1s"),
        ("720h", 2_592_000, "720h0m0s"),
        ("876000h", 3_153_600_000, "876000h0m0s"),
    ],
)
def test_a_duration_is_read_in_seconds_and_shown_in_one_form(text, seconds, shown):
    assert parse_lifespan("x", text) == seconds
    assert format_lifespan(seconds) == shown
    assert parse_lifespan("x", shown) == seconds


@pytest.mark.parametrize(
    "value", ["", "1", "h", "-1s", "1 s", "0s", "999ms", "876001h", "1d", "9" * 65 + "s", 60, None, []]
)
def test_anything_else_is_refused_by_name(value):
    with pytest.raises(InvalidClientMetadata, match="some_token_lifespan"):
        parse_lifespan("some_token_lifespan", value)


def test_a_grant_describes_its_lifespans():
    described = describe_lifespans("refresh_token", "access", "refresh")
    assert list(described) == [
        "refresh_token_grant_access_token_lifespan",
        "refresh_token_grant_refresh_token_lifespan",
    ]
    assert all(is_lifespan(name) for name in described)
    assert not is_lifespan("access_token_ttl")


@pytest.mark.parametrize(
    ("grant_type", "name"),
    [
        ("refresh_token", "refresh_token"),
        ("urn:ietf:params:oauth:grant-type:jwt-bearer", "jwt_bearer"),
        ("urn:ietf:params:oauth:grant-type:device_code", "device_authorization"),
        ("https://example.com/grants/own", "https://example.com/grants/own"),
    ],
)
def test_a_grant_with_a_long_name_has_a_short_one_in_fields(grant_type, name):
    assert list(describe_lifespans(grant_type, "id")) == [f"{name}_grant_id_token_lifespan"]
    client = Client(tenant="default", client_id="A", extra={f"{name}_grant_id_token_lifespan": "90s"})
    assert find_lifespans(client, grant_type) == {"id": 90}


def test_a_client_has_the_lifespans_of_the_grant_alone():
    extra: dict[str, Any] = {
        "refresh_token_grant_access_token_lifespan": "1m0s",
        "refresh_token_grant_id_token_lifespan": "2m0s",
        "client_credentials_grant_access_token_lifespan": "3m0s",
        "refresh_token_grant_colour": "green",
    }
    client = Client(tenant="default", client_id="c", extra=extra)
    assert find_lifespans(client, "refresh_token") == {"access": 60, "id": 120}
    assert find_lifespans(client, "authorization_code") == {}
    assert find_lifespans(Client(tenant="default", client_id="c"), "refresh_token") is NO_LIFESPANS


def test_a_grant_type_that_is_a_uri_has_names_of_its_last_part() -> None:
    prefix = "urn:ietf:params:oauth:grant-type:"
    assert set(describe_lifespans(prefix + "jwt-bearer", "access")) == {"jwt_bearer_grant_access_token_lifespan"}
    assert set(describe_lifespans(prefix + "device_code", "id")) == {"device_authorization_grant_id_token_lifespan"}
    assert set(describe_lifespans("refresh_token", "refresh")) == {"refresh_token_grant_refresh_token_lifespan"}


def test_the_field_of_a_client_is_read_into_one_form() -> None:
    (field,) = describe_lifespans("client_credentials", "access").values()
    assert field.read("x", "90m") == "1h30m0s"
    with pytest.raises(InvalidClientMetadata):
        field.read("x", "soon")
