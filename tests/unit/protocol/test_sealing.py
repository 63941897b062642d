"""Sealed tokens and records."""

from __future__ import annotations

import pytest

from grantway.protocol import sealing
from grantway.protocol.sealing import Ring, TokenSealer, decode_base64url, encode_base64url, read_token_id

OLD, NEW = b"an older secret of the ring, long enough", b"the newest secret of the ring, long enough"
SALT = bytes(range(16))


def build_sealer(*secrets: bytes, salt: bytes = SALT) -> TokenSealer:
    return TokenSealer(Ring(secrets or (NEW,)), salt)


def test_what_was_sealed_opens_to_the_same_bytes() -> None:
    sealer = build_sealer()
    assert sealer.open(sealer.seal(b"claims", b"at/default"), b"at/default") == b"claims"


def test_another_worker_of_the_same_ring_opens_it() -> None:
    sealed = build_sealer(salt=b"a" * 16).seal(b"claims", b"at/default")
    other = build_sealer(salt=b"b" * 16)
    assert other.open(sealed, b"at/default") == b"claims"
    assert other.open(sealed, b"at/default") == b"claims", "and again, with the key it kept"


@pytest.mark.threat("T153")
def test_a_token_of_another_tenant_or_kind_does_not_open() -> None:
    sealer = build_sealer()
    sealed = sealer.seal(b"claims", b"at/default")
    assert sealer.open(sealed, b"at/other") is None
    assert sealer.open(sealed, b"rt/default") is None


@pytest.mark.threat("T34")
def test_every_altered_byte_and_every_cut_length_is_refused() -> None:
    sealer = build_sealer()
    sealed = sealer.seal(b"claims", b"at/default")
    for position in range(len(sealed)):
        altered = bytearray(sealed)
        altered[position] ^= 1
        assert sealer.open(bytes(altered), b"at/default") is None
        assert sealer.open(sealed[:position], b"at/default") is None
    assert sealer.open(sealed + b"\0", b"at/default") is None


def test_no_two_tokens_share_a_nonce_or_an_id() -> None:
    sealer = build_sealer()
    tokens = [sealer.seal(b"the same", b"x") for _ in range(1000)]
    assert len({token[:28] for token in tokens}) == 1000
    assert len({read_token_id(token) for token in tokens}) == 1000


def test_an_older_secret_still_opens_and_a_dropped_one_does_not() -> None:
    sealed = build_sealer(OLD).seal(b"claims", b"x")
    assert build_sealer(NEW, OLD, salt=b"c" * 16).open(sealed, b"x") == b"claims"
    assert build_sealer(NEW, salt=b"c" * 16).open(sealed, b"x") is None


def test_only_genuine_tokens_fill_the_bounded_cache_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_MOST_SUBKEYS", 3)
    sealer = build_sealer()
    for number in range(10):
        foreign = build_sealer(salt=bytes([number]) * 16)
        forged = foreign.seal(b"claims", b"another purpose")
        assert sealer.open(forged, b"x") is None
    assert len(sealer._openers) == 1
    for number in range(10):
        assert sealer.open(build_sealer(salt=bytes([number]) * 16).seal(b"claims", b"x"), b"x") == b"claims"
        assert len(sealer._openers) <= 3
    assert sealer.open(sealer.seal(b"own", b"x"), b"x") == b"own"


def test_a_salt_of_the_wrong_size_and_an_empty_ring_are_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        build_sealer(salt=b"short")
    with pytest.raises(ValueError, match="at least one secret"):
        Ring(())


@pytest.mark.threat("T66")
def test_a_record_opens_only_in_its_own_row_and_purpose() -> None:
    ring = Ring((NEW, OLD))
    sealed = ring.seal_record(b"private", purpose=b"key", identity=b"row 1", nonce=b"n" * 12)
    assert ring.open_record(sealed, purpose=b"key", identity=b"row 1") == b"private"
    assert ring.open_record(sealed, purpose=b"key", identity=b"row 2") is None
    assert ring.open_record(sealed, purpose=b"other", identity=b"row 1") is None
    assert ring.open_record(sealed[:20], purpose=b"key", identity=b"row 1") is None
    assert Ring((OLD,)).open_record(sealed, purpose=b"key", identity=b"row 1") is None


def test_a_record_says_whether_it_is_sealed_under_the_newest_secret() -> None:
    sealed = Ring((OLD,)).seal_record(b"private", purpose=b"key", identity=b"row", nonce=b"n" * 12)
    assert Ring((OLD,)).is_current(sealed)
    assert not Ring((NEW, OLD)).is_current(sealed)


def test_keys_of_different_purposes_differ_and_every_secret_gives_one() -> None:
    ring = Ring((NEW, OLD))
    assert ring.derive(b"a") != ring.derive(b"b")
    assert ring.derive_all(b"a") == (ring.derive(b"a"), Ring((OLD,)).derive(b"a"))
    assert ring.derive(b"a", key_id=b"none") is None


@pytest.mark.spec("RFC 7515 §2")
@pytest.mark.parametrize("data", [b"", b"\0", b"\xff\xfe\xfd", bytes(range(256))])
def test_base64url_goes_both_ways_without_padding(data: bytes) -> None:
    text = encode_base64url(data)
    assert "=" not in text
    assert "+" not in text
    assert "/" not in text
    assert decode_base64url(text) == data


@pytest.mark.threat("T34")
@pytest.mark.parametrize(
    "text",
    ["_w=", "_w==", "_x", "/w", "+w", "_w\n", " _w", "_w ", "_w.", "a", "é", "_w\0", "____=", "AB"],
    ids=repr,
)
def test_base64url_that_is_not_canonical_is_refused(text: str) -> None:
    assert decode_base64url(text) is None
