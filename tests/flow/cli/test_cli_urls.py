"""URLs that are registered by command: what is none of the web is a usage error, as elsewhere it is a 400."""

from __future__ import annotations

import json

import pytest
from tests.urls import FETCHED, NOT_TEXT, UNACCEPTABLE, build_document


@pytest.mark.threat("T70")
@pytest.mark.parametrize("name", FETCHED)
def test_what_is_no_url_of_the_web_is_refused(cli, name):
    for url in (*UNACCEPTABLE, *NOT_TEXT):
        ran = cli("clients", "create", "--file", "-", "--json", stdin=json.dumps(build_document(name, url)))
        assert ran.code == 2, (url, ran.out)
        assert name in ran.err, url


@pytest.mark.threat("T70")
def test_the_keys_of_a_trusted_issuer_are_at_a_url_of_the_web(cli):
    create = ("trusted-issuers", "create", "https://idp.example", "--any-subject", "--any-client", "--jwks-uri")
    for url in UNACCEPTABLE:
        assert cli(*create, url).code == 2, url
    assert cli(*create, "https://idp.example/keys").code == 0
