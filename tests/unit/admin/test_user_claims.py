import pytest

from grantway.admin.user_claims import RESERVED_CLAIMS, check_claims
from grantway.errors import Unprocessable

EVERYTHING = {
    "name": "Ada Lovelace",
    "given_name": "Ada",
    "family_name": "Lovelace",
    "middle_name": "K",
    "nickname": "ada",
    "preferred_username": "ada",
    "profile": "https://ada.example/",
    "picture": "https://ada.example/ada.png",
    "website": "http://ada.example/",
    "email": "ada@example.com",
    "email_verified": True,
    "gender": "female",
    "birthdate": "1815-12-10",
    "zoneinfo": "Europe/London",
    "locale": "en-GB",
    "phone_number": "+44 20 7946 0000",
    "phone_number_verified": False,
    "address": {"formatted": "1 Street\nLondon", "locality": "London", "country": "UK"},
    "updated_at": 1700000000,
    "department": {"id": 7, "tags": ["a", None, 1.5]},
}


@pytest.mark.spec("OpenID Connect Core §5.1")
def test_every_standard_claim_and_claims_of_ones_own_are_accepted():
    check_claims(EVERYTHING)


@pytest.mark.spec("OpenID Connect Core §5.1")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", 7),
        ("name", ""),
        ("name", "a\nb"),
        ("name", "x" * 3000),
        ("email", "ada"),
        ("email", "a b@example.com"),
        ("email_verified", "true"),
        ("email_verified", 1),
        ("phone_number_verified", None),
        ("updated_at", True),
        ("updated_at", "2020-01-01"),
        ("updated_at", -1),
        ("birthdate", "10.12.1815"),
        ("address", "1 Street"),
        ("address", {"planet": "Earth"}),
        ("address", {"country": 7}),
        ("address", {"country": "a\x00b"}),
        ("profile", "javascript:alert(1)"),
        ("picture", "data:image/svg+xml,<svg/>"),
        ("website", "https://[bad/"),
        ("website", "//ada.example/"),
        ("own", 2**60),
        ("own", "a\x00b"),
        ("own", {"x" * 200: 1}),
        ("own", object()),
        ("own", [[[[[[[[[1]]]]]]]]]),
        ("", 1),
        ("a\nb", 1),
        ("x" * 200, 1),
    ],
)
def test_what_a_claim_cannot_be_is_refused(name, value):
    with pytest.raises(Unprocessable):
        check_claims({name: value})


@pytest.mark.threat("T135")
@pytest.mark.parametrize("name", sorted(RESERVED_CLAIMS))
def test_nobody_forges_what_the_server_alone_says(name):
    with pytest.raises(Unprocessable, match="server alone"):
        check_claims({name: "x"})


def test_all_claims_together_have_a_limit():
    with pytest.raises(Unprocessable):
        check_claims({f"own{number}": "x" * 2000 for number in range(10)})
