"""Forged JWTs: what every place where a JWT enters has to refuse.

Given what a genuine one is made of, ``iterate_forged_jwts`` yields (name, token). None of them may be accepted
anywhere: either nobody who holds the key signed it, or it says what no JWT of that place may say. The names begin with
the row of the threat model.
"""

from __future__ import annotations

import functools
import hmac
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from grantway.protocol.sealing import decode_base64url, encode_base64url

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | bytes
TYPES = ("at+jwt", "dpop+jwt", "logout+jwt", "oauth-authz-req+jwt", "client-authentication+jwt", "secevent+jwt", "x")
YEARS = 10 * 365 * 86400


def sign_jwt(
    key: Key,
    claims: Mapping[str, Any] | bytes,
    *,
    alg: str,
    kid: str | None = None,
    typ: str | None = "JWT",
    header: Mapping[str, Any] | bytes | None = None,
) -> str:
    """A JWT signed by a library that others wrote.

    Args:
        key: a private key, or a shared secret.
        claims: bytes are taken as they are.
        header: more members of the header, or all of it where it is bytes.
    """
    if not isinstance(header, bytes):
        members = {"alg": alg, **({"kid": kid} if kid is not None else {}), **({"typ": typ} if typ is not None else {})}
        header = json.dumps({**members, **(header or {})}).encode()
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signing_input = f"{encode_base64url(header)}.{encode_base64url(payload)}"
    return f"{signing_input}.{encode_base64url(_sign(key, alg, signing_input.encode()))}"


def build_jwk(key: Key, *, kid: str | None = None, **members: Any) -> dict[str, Any]:
    """The public JWK of a private key."""
    assert not isinstance(key, bytes)
    return {**_load(key).as_dict(private=False), **({"kid": kid} if kid is not None else {}), **members}


def iterate_forged_jwts(
    key: Key,
    claims: Mapping[str, Any],
    *,
    alg: str,
    kid: str | None,
    typ: str | None = "JWT",
    accepted_types: Collection[str] = (),
    required: Collection[str] = ("iss", "sub", "aud", "exp", "jti"),
) -> Iterator[tuple[str, str]]:
    """Everything there is.

    Args:
        key, claims, alg, kid, typ: of a genuine JWT.
        accepted_types: further types the place takes.
        required: claims the place does not do without.
    """

    def sign(changed: Mapping[str, Any] | bytes = claims, **options: Any) -> str:
        return sign_jwt(key, changed, **{"alg": alg, "kid": kid, "typ": typ, **options})

    yield from _swap_algorithms(key, claims, alg, kid, typ)
    yield from _inject_keys(key, claims, alg, kid, typ)
    if kid is not None and not isinstance(key, bytes):
        for name, value in _KIDS.items():
            yield f"T52 kid {name}", sign(header={"kid": value})
    for value in (["x"], [], ["exp"], "exp", None, {"exp": 1}):
        yield f"T53 crit {value!r}", sign(header={"crit": value, "x": 1})
    yield "T53 b64 false", sign(header={"b64": False, "crit": ["b64"]})
    yield "T53 b64 false, not critical", sign(header={"b64": False})
    for other in TYPES:
        if other not in {typ, *accepted_types}:
            yield f"T54 typ {other}", sign(typ=other)
    for no_text in (5, None, ["JWT"], {}):
        yield f"T54 typ {no_text!r}", sign(header={"typ": no_text})
    yield from _confuse_types(claims, sign)
    yield from _state_wrong_claims(claims, required, sign)
    yield from _misspell(sign())
    yield from _misshape(claims, alg, kid, typ, sign)


def _swap_algorithms(
    key: Key, claims: Mapping[str, Any], alg: str, kid: str | None, typ: str | None
) -> Iterator[tuple[str, str]]:
    """T50: another algorithm than the key's."""
    signature = sign_jwt(key, claims, alg=alg, kid=kid, typ=typ).rpartition(".")[2]
    for none in ("none", "None", "nOnE", "NONE", "", "none ", "HS256\0", alg.lower(), [alg], None, 5, True, {}):
        for name, made in (("no signature", ""), ("its signature", signature), ("a signature", "eA")):
            unsigned = sign_jwt(key, claims, alg=alg, kid=kid, typ=typ, header={"alg": none}).rpartition(".")[0]
            yield f"T50 alg {none!r}, {name}", f"{unsigned}.{made}"
    algorithms = ("HS256", "ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA", "ES256K", "RS1", "A256GCM", "dir")
    for other in algorithms:
        if other != alg:
            renamed = sign_jwt(key, claims, alg=alg, kid=kid, typ=typ, header={"alg": other})
            yield f"T50 {alg} called {other}", renamed
    for size in (32, 64, 66, 256):
        empty = sign_jwt(key, claims, alg=alg, kid=kid, typ=typ).rpartition(".")[0]
        yield f"T50 a signature of {size * 2} zeros", f"{empty}.{encode_base64url(bytes(size * 2))}"
    if isinstance(key, bytes):
        return
    if isinstance(key, ec.EllipticCurvePrivateKey):
        yield from _misencode(key, claims, alg, kid, typ)
    public = key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    secrets = {
        "PEM": pem,
        "PEM without its last line end": pem.strip(),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": json.dumps(build_jwk(key, kid=kid)).encode(),
        "nothing": b"",
    }
    for name, secret in secrets.items():
        for other in ("HS256", "HS384", "HS512"):
            yield f"T50 {other} with the public key as {name}", sign_jwt(secret, claims, alg=other, kid=kid, typ=typ)


def _misencode(
    key: ec.EllipticCurvePrivateKey, claims: Mapping[str, Any], alg: str, kid: str | None, typ: str | None
) -> Iterator[tuple[str, str]]:
    signing_input, _, encoded = sign_jwt(key, claims, alg=alg, kid=kid, typ=typ).rpartition(".")
    raw = decode_base64url(encoded) or b""
    half = len(raw) // 2
    der = encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
    forms = {"in DER": der, "with a zero before each half": b"\0" + raw[:half] + b"\0" + raw[half:], "twice": raw * 2}
    for name, form in forms.items():
        yield f"T50 the signature {name}", f"{signing_input}.{encode_base64url(form)}"
    order = _ORDERS[alg].to_bytes(half, "big")
    yield "T50 r and s the order of the curve", f"{signing_input}.{encode_base64url(order * 2)}"


def _inject_keys(
    key: Key, claims: Mapping[str, Any], alg: str, kid: str | None, typ: str | None
) -> Iterator[tuple[str, str]]:
    """T51: signed with a key of the attacker's, which the header offers."""
    for kind, (own_alg, own) in _OWN_KEYS.items():
        if isinstance(key, bytes) and isinstance(own, bytes) and own == key:
            continue
        offers: dict[str, dict[str, Any]] = {
            "nothing": {},
            "jku": {"jku": "http://169.254.169.254/"},
            "x5u": {"x5u": "http://169.254.169.254/"},
            "x5c": {"x5c": ["MIIB"]},
        }
        if not isinstance(own, bytes):
            offers["jwk"] = {"jwk": build_jwk(own, kid=kid)}
        for offer, header in offers.items():
            for own_kid in {kid, None, "own"}:
                token = sign_jwt(own, claims, alg=own_alg, kid=own_kid, typ=typ, header=header)
                yield f"T51 an own {kind} key, kid {own_kid!r}, offering {offer}", token


def _confuse_types(claims: Mapping[str, Any], sign: Callable[..., str]) -> Iterator[tuple[str, str]]:
    """T55: claims of types that compare or add like the right ones, or cannot be compared at all."""
    wrong: dict[str, tuple[str, ...]] = {
        "exp": ("NaN", "Infinity", "1e999", "true", '"9999999999"', "null", "[9999999999]", "{}", "-1", "9" * 5000),
        "iat": ("NaN", "-Infinity", "true", '"0"', "null", "-1e999"),
        "nbf": ("NaN", "false", '"0"', "null", "[]", "1e999"),
        "aud": ('["x",1]', "1", "{}", "null", "true", '[["x"]]', "[null]"),
        "iss": ("1", '["x"]', "{}", "null", "true"),
        "sub": ("1", '["x"]', "{}", "null", "true"),
        "jti": ("1", '["x"]', "{}", "null", "true"),
    }
    for name, values in wrong.items():
        others = {claim: value for claim, value in claims.items() if claim != name}
        for value in values:
            payload = f'{json.dumps(others)[:-1]},"{name}":{value}}}'.encode()
            yield f"T55 {name} {value[:20]}", sign(payload)
    for name in claims:
        payload = f'{{"{name}":"x",{json.dumps(claims)[1:]}'.encode()
        yield f"T55 {name} twice", sign(payload)


def _state_wrong_claims(
    claims: Mapping[str, Any], required: Collection[str], sign: Callable[..., str]
) -> Iterator[tuple[str, str]]:
    """T57, T58: claims of the right types that are not about this place and moment."""
    for name in required:
        yield f"T57 no {name}", sign({claim: value for claim, value in claims.items() if claim != name})
        if isinstance(claims.get(name), str):
            yield f"T57 {name} empty", sign({**claims, name: ""})
    if "aud" in claims:
        audience = claims["aud"] if isinstance(claims["aud"], str) else claims["aud"][0]
        for other in (audience + ".evil.example", audience[:-1], audience.upper(), audience + "\0", [], ["evil"], ""):
            yield f"T57 aud {other!r}", sign({**claims, "aud": other})
    if "iss" in claims:
        for other in (claims["iss"] + "x", claims["iss"][:-1], claims["iss"] + "\0"):
            yield f"T57 iss {other!r}", sign({**claims, "iss": other})
    if "exp" in claims:
        for name, exp in (("long ago", claims["exp"] - YEARS), ("zero", 0), ("in ten years", claims["exp"] + YEARS)):
            yield f"T58 exp {name}", sign({**claims, "exp": exp})
        yield "T58 iat in the future", sign({**claims, "iat": claims["exp"] + YEARS})
        yield "T58 nbf in the future", sign({**claims, "nbf": claims["exp"] + YEARS})
        yield "T58 a lifetime of ten years", sign({**claims, "iat": claims["exp"] - YEARS})
    if "jti" in claims:
        yield "T58 a long jti", sign({**claims, "jti": "j" * 4096})


def _misspell(genuine: str) -> Iterator[tuple[str, str]]:
    """T50, T62: another text than the one that was signed, or another spelling of it."""
    header, payload, signature = genuine.split(".")
    raw = decode_base64url(signature) or b""
    flipped = encode_base64url(bytes([raw[0] ^ 1]) + raw[1:])
    last = _ALPHABET[_ALPHABET.index(payload[-1]) ^ 1]
    spellings = {
        "a flipped signature": f"{header}.{payload}.{flipped}",
        "a cut signature": f"{header}.{payload}.{encode_base64url(raw[:-1])}",
        "a longer signature": f"{header}.{payload}.{encode_base64url(raw + bytes(1))}",
        "no signature": f"{header}.{payload}.",
        "two parts": f"{header}.{payload}",
        "four parts": f"{genuine}.{signature}",
        "five parts": f"{header}.{payload}.{signature}.{payload}.{signature}",
        "nothing": "",
        "two dots": "..",
        "only dots": "." * 10_000,
        "other claims": f"{header}.{encode_base64url(b'{}')}.{signature}",
        "other spare bits": f"{header}.{payload[:-1]}{last}.{signature}",
        "padding": f"{header}.{payload}==.{signature}",
        "a padded signature": f"{genuine}=",
        "a line end": f"{genuine}\n",
        "a space before": f" {genuine}",
        "a space within": f"{header}. {payload}.{signature}",
        "a NUL": f"{genuine}\0",
        "another alphabet": f"{header}.{payload}.{'+/' * 43}",
        "no ASCII": f"{header}.{payload}.é{signature}",
        "a lone surrogate": f"{header}.{payload}.\ud800{signature}",
        "JSON serialisation": json.dumps({"protected": header, "payload": payload, "signature": signature}),
    }
    for name, token in spellings.items():
        if token != genuine:
            yield f"T62 {name}", token


def _misshape(
    claims: Mapping[str, Any], alg: str, kid: str | None, typ: str | None, sign: Callable[..., str]
) -> Iterator[tuple[str, str]]:
    """T62: headers and claims of wrong shapes and sizes, signed with the right key all the same."""
    payloads = {
        "an array": b"[]",
        "text": b'"x"',
        "a number": b"1",
        "null": b"null",
        "nothing": b"",
        "no JSON": b"{",
        "no UTF-8": b'{"iss":"\xff"}',
        "a byte order mark": b"\xef\xbb\xbf" + json.dumps(claims).encode(),
        "a lone surrogate": json.dumps({**claims, "x": "\ud800"}).encode(),
        "deep JSON": json.dumps(claims).encode()[:-1] + b',"x":' + b"[" * 2000 + b"]" * 2000 + b"}",
        "5,000 digits": json.dumps(claims).encode()[:-1] + b',"x":' + b"9" * 5000 + b"}",
        "1 MB": json.dumps({**claims, "x": "x" * 1_000_000}).encode(),
    }
    for name, payload in payloads.items():
        yield f"T62 claims: {name}", sign(payload)
    members = {"alg": alg, "typ": typ or "JWT"} | ({"kid": kid} if kid is not None else {})
    plain = json.dumps(members)
    headers = {
        "an array": b"[]",
        "nothing": b"",
        "no JSON": b"{",
        "no alg": b'{"typ":"JWT"}',
        "alg twice": f'{{"alg":"none",{plain[1:]}'.encode(),
        "typ twice": f'{{"typ":"x",{plain[1:]}'.encode(),
        "1 MB": json.dumps({**members, "x": "x" * 1_000_000}).encode(),
        "5 kB": json.dumps({**members, "x": "x" * 5000}).encode(),
        "deep JSON": plain[:-1].encode() + b',"x":' + b"[" * 1000 + b"]" * 1000 + b"}",
    }
    for name, header in headers.items():
        yield f"T62 header: {name}", sign(header=header)


def _sign(key: Key, alg: str, data: bytes) -> bytes:
    if isinstance(key, bytes):  # the library would not take a public key, nor an empty one
        return hmac.new(key, data, f"sha{alg[2:]}").digest()
    return JWSRegistry.algorithms[alg].sign(data, _load(key))


@functools.lru_cache(maxsize=64)
def _load(key: Any) -> Any:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return ECKey.import_key(pem)
    return RSAKey.import_key(pem) if isinstance(key, rsa.RSAPrivateKey) else OKPKey.import_key(pem)


_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_KIDS: dict[str, Any] = {
    "of a file": "../../../../dev/null",
    "with SQL": "' OR 1=1--",
    "of another": "another",
    "empty": "",
    "a URL": "http://169.254.169.254/",
    "a number": 1,
    "a list": ["x"],
    "an object": {"x": 1},
    "true": True,
    "long": "k" * 3000,
    "1 MB": "k" * 1_000_000,
}
_ORDERS = {
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ES384": int("f" * 48 + "c7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16),
    "ES512": int("1" + "f" * 65 + "a51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409", 16),
}
_OWN_KEYS: dict[str, tuple[str, Key]] = {
    "P-256": ("ES256", ec.generate_private_key(ec.SECP256R1())),
    "RSA": ("RS256", rsa.generate_private_key(65537, 2048)),
    "Ed25519": ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
    "HMAC": ("HS256", b"a secret of the attacker's, long enough"),
}
