"""What ``redis.url`` may be, and what is said of one that is not."""

from __future__ import annotations

import sys

import pytest

from grantway.config import load_settings
from grantway.errors import ConfigurationError
from grantway.storage import open_redis
from grantway.storage.redis_connect import Target, parse_redis_url

NOBODY = {"username": None, "password": None}


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("redis://localhost", Target("single", (("localhost", 6379),), {**NOBODY, "db": 0})),
        ("redis://h:7000/3", Target("single", (("h", 7000),), {**NOBODY, "db": 3})),
        (
            "redis://me:p%40ss%3Aword@[::1]:7000/1",
            Target("single", (("::1", 7000),), {"username": "me", "password": "p@ss:word", "db": 1}),
        ),
        ("redis://:secret@h", Target("single", (("h", 6379),), {"username": None, "password": "secret", "db": 0})),
        (
            "rediss://h?ssl_ca=/ca.pem&db=2",
            Target("single", (("h", 6379),), {**NOBODY, "ssl": True, "ssl_ca_certs": "/ca.pem", "db": 2}),
        ),
        (
            "unix:///run/redis.sock?db=4",
            Target("single", (), {**NOBODY, "unix_socket_path": "/run/redis.sock", "db": 4}),
        ),
        (
            "redis+sentinel://a,b:26380/main/5?sentinel_password=x",
            Target(
                "sentinel", (("a", 26379), ("b", 26380)), {**NOBODY, "db": 5}, "main",
                {"username": None, "password": "x"},
            ),
        ),
        ("redis+cluster://a:1,[::1]:2", Target("cluster", (("a", 1), ("::1", 2)), NOBODY)),
    ],
)  # fmt: skip
def test_each_form_of_the_url_is_understood(url, target):
    assert parse_redis_url(url) == target


@pytest.mark.threat("T149")
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://u:s3cret@h", "must begin with one of redis://"),
        ("s3cret", "must begin with one of redis://"),
        ("redis://u:s3cret@h:port", "a host is malformed"),
        ("redis://u:s3cret@h:70000", "a host is malformed"),
        ("redis://u:s3cret@", "a host is malformed"),
        ("redis://u:s3cret@h/zero", "the database is a number"),
        ("redis://u:s3cret@a,b", "several hosts need"),
        ("redis+sentinel://u:s3cret@a", "names no service"),
        ("redis+cluster://u:s3cret@a/1", "one database"),
        ("redis://u:s3cret@h?pool=9", "'pool' is not known"),
    ],
)
def test_a_malformed_url_is_refused_without_being_repeated(url, message):
    with pytest.raises(ConfigurationError, match=r"redis\.url") as caught:
        open_redis(load_settings(overrides={"redis.url": url}))
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'grantway\[redis\]'"):
        open_redis(load_settings(overrides={"redis.url": "redis://h"}))


def test_shared_limits_need_a_place_to_be_shared():
    with pytest.raises(ConfigurationError, match=r"redis\.url is not set"):
        load_settings(overrides={"limits.shared": "redis"})


def test_a_prefix_with_braces_would_break_the_parts_of_a_cluster():
    with pytest.raises(ConfigurationError, match="prefix"):
        load_settings(overrides={"redis.prefix": "{a}:"})


def test_the_url_does_not_show_itself():
    settings = load_settings(overrides={"redis.url": "redis://:s3cret@h"})
    assert "s3cret" not in repr(settings)
