"""Reading a bearer token (RFC 6750 §2)."""

from __future__ import annotations

from grantway.errors import InvalidRequest, InvalidToken
from grantway.extension import Call
from grantway.protocol.message import FORM


def read_bearer(call: Call) -> str:
    """The token of the Authorization header, or of a form body (RFC 6750 §2.1, §2.2); one of them.

    Raises:
        InvalidRequest: it is in the query, where logs and histories keep it (RFC 9700 §4.3.2), or sent twice.
        InvalidToken: there is none.
    """
    request = call.request
    if b"access_token=" in request.query:
        query = call.query()
        if query.has("access_token"):
            raise InvalidRequest("An access token must not be sent in the query.")
    header = request.header(b"authorization")
    in_form = None
    if request.method == "POST" and request.media_type() == FORM:
        form = call.form()
        form.check_unique()
        in_form = form.get("access_token")
    if header is not None and in_form is not None:
        raise InvalidRequest("The access token was sent twice.")
    if header is not None:
        scheme, _, token = header.partition(b" ")
        if scheme.lower() != b"bearer" or not token or not token.isascii():
            raise InvalidToken()
        return token.decode("ascii")
    if in_form is None:
        raise InvalidToken()
    return in_form
