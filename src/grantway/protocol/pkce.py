"""Proof Key for Code Exchange (RFC 7636), S256 only.

An empty string never passes as an absent parameter: emptied form fields have downgraded other servers.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from typing import Final

from grantway.errors import InvalidGrant, InvalidRequest
from grantway.protocol.message import Parameters

# RFC 7636 §4.1: unreserved characters of RFC 3986; used with fullmatch, as `$` would let a trailing line feed pass.
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
# RFC 7636 §4.2: BASE64URL of 32 octets of SHA-256 is always 43 characters.
_S256_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def check_code_challenge(challenge: str | None, method: str | None, *, is_required: bool) -> str | None:
    """Returns the S256 ``code_challenge``, or None when none was sent and none is required.

    Raises:
        InvalidRequest: it is missing but required, malformed, empty, or its method is not S256.
    """
    if challenge is None:
        if is_required:
            raise InvalidRequest("This client must use PKCE: code_challenge is missing.")  # RFC 7636 §4.4.1
        if method is not None:
            raise InvalidRequest("code_challenge_method was sent without code_challenge.")
        return None
    # RFC 7636 §4.3: an absent method means plain, which RFC 9700 §2.1.1 rules out.
    if method != "S256":
        raise InvalidRequest("The code_challenge_method must be S256.")
    if not _S256_CHALLENGE.fullmatch(challenge):
        raise InvalidRequest("The code_challenge is not the base64url form of a SHA-256 digest.")
    return challenge


def is_verifier_correct(verifier: str, challenge: str) -> bool:
    """Whether ``verifier`` is well-formed and its S256 transform equals ``challenge`` (RFC 7636 §4.6)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    transformed = urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=")
    return hmac.compare_digest(transformed, challenge.encode())


def check_code_verifier(parameters: Parameters, challenge: str | None) -> None:
    """Checks the ``code_verifier`` of a token request against the challenge stored with its code, if any.

    Raises:
        InvalidRequest: a challenge is stored and no verifier was sent, or an empty one.
        InvalidGrant: the verifier is wrong, or was sent although the code has no challenge.
    """
    if challenge is None:
        if parameters.has("code_verifier"):  # RFC 9700 §4.8.2: else a stripped challenge would go unnoticed
            raise InvalidGrant("A code_verifier was sent, but the code was requested without code_challenge.")
        return
    verifier = parameters.get("code_verifier")
    if verifier is None:
        raise InvalidRequest("The code_verifier is missing.")  # RFC 7636 §4.5
    if not is_verifier_correct(verifier, challenge):
        raise InvalidGrant("The code_verifier does not fit the code_challenge.")  # RFC 7636 §4.6
