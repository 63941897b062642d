"""The yardstick: the least an ASGI application can do."""

_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"17")],
}
_BODY = {"type": "http.response.body", "body": b'{"hello":"world"}'}


async def app(scope, receive, send):
    await send(_START)
    await send(_BODY)
