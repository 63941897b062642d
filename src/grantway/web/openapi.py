"""The OpenAPI 3.1 document of the admin API: a fold over its route table and the types its routes name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args, get_origin

import msgspec

from grantway.admin.rights import ADMIN, ADMIN_SCOPES
from grantway.extension import Runtime
from grantway.model import Client
from grantway.protocol.client_metadata import FIELDS, Metadatum
from grantway.version import __version__
from grantway.web.admin_call import JSON_PATCH, QueryParameter, Route
from grantway.web.admin_wire import Problem

_COMPONENTS = "#/components/schemas/{name}"
_PATH_PARAMETER = re.compile(r"{([a-z_]+)}")
_AUTHORIZED_ERRORS = (400, 401, 403, 503)
_PROBLEM_TEXTS = {
    400: "The request is malformed.",
    401: "The access token is missing or not good.",
    403: "The access token lacks the scope.",
    404: "There is no such object.",
    409: "The change collides with what is stored.",
    412: "The object is no longer the version that If-Match names.",
    413: "The body is larger than this server accepts.",
    415: "The body has another media type.",
    422: "A value is not acceptable.",
    503: "The server cannot answer right now; Retry-After says when to try again.",
}


def build_openapi(runtime: Runtime) -> dict[str, Any]:
    """The document for this server, its extensions' client metadata included."""
    from grantway.web.admin_api import ROUTES

    types = {kind for route in ROUTES for kind in (_item(route.answer), _item(route.body)) if _is_struct(kind)}
    types = {*types, Problem, Client}
    _, components = msgspec.json.schema_components(
        sorted(types, key=lambda kind: kind.__name__), ref_template=_COMPONENTS
    )
    client = _build_client_schema(components.pop("Client"), runtime.extensions.client_metadata)
    components.pop("ClientSecret", None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Grantway administration",
            "version": __version__,
            "description": "Clients, users, keys, authorizations, sessions, tenants and tokens of a Grantway server. "
            "Routes below /admin about one tenant exist for every other tenant below /admin/t/{tenant} too.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": area} for area in dict.fromkeys(route.area for route in ROUTES)],
        "paths": _build_paths(ROUTES),
        "components": {
            "schemas": {**components, **client},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"An access token of this server with one of the scopes {', '.join(ADMIN_SCOPES)}.",
                }
            },
        },
    }


def _build_paths(routes: tuple[Route, ...]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _build_operation(route)
    return paths


def _build_operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _build_operation_id(route),
        "summary": route.summary,
        "tags": [route.area],
        "parameters": _build_parameters(route),
        "responses": _build_responses(route),
        "security": [{"token": [route.scope]}] if route.scope else [],
    }
    if route.scope:
        operation["description"] = f"Needs the scope `{route.scope}` or `{ADMIN}`."
    if route.body is not None:
        operation["requestBody"] = {
            "required": not route.is_body_optional,
            "content": {media_type: {"schema": _build_body_schema(route)} for media_type in route.media_types},
        }
    return operation


def _build_operation_id(route: Route) -> str:
    words = [word for word in re.split(r"[^a-z0-9]+", route.path.removeprefix("/admin")) if word]
    return "_".join([route.method.lower(), *words])


def _build_parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1, "maxLength": 255}}
        for name in _PATH_PARAMETER.findall(route.path)
    ]
    parameters += [_build_query_parameter(parameter) for parameter in route.query]
    if _takes_if_match(route):
        parameters.append(
            {
                "name": "If-Match",
                "in": "header",
                "description": "The ETag the change is meant for; 412 when the object has moved on.",
                "schema": {"type": "string"},
            }
        )
    return parameters


def _build_query_parameter(parameter: QueryParameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.is_required,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }


def _takes_if_match(route: Route) -> bool:
    return route.is_conditional and (route.method != "GET" and route.status != 201)


def _build_responses(route: Route) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": route.summary + "."}
    if route.answer is not None:
        answer["content"] = {route.answer_media_type: {"schema": _build_schema(route.answer)}}
    headers: dict[str, Any] = {}
    if route.is_conditional and route.status != 204:
        headers["ETag"] = {"description": "The object's version.", "schema": {"type": "string"}}
    if route.status == 201:
        headers["Location"] = {"description": "Where it is now.", "schema": {"type": "string"}}
    if any(parameter.name == "page_token" for parameter in route.query):
        headers["Link"] = {"description": "rel first and next (RFC 8288).", "schema": {"type": "string"}}
    if headers:
        answer["headers"] = headers
    return {str(route.status): answer, **{str(status): _build_problem(status) for status in sorted(_errors(route))}}


def _errors(route: Route) -> set[int]:
    errors = set(route.errors)
    if route.scope is not None:
        errors.update(_AUTHORIZED_ERRORS)
    if route.body is not None:
        errors.update((413, 415, 422))
    if _takes_if_match(route):
        errors.add(412)
    return errors


def _build_problem(status: int) -> dict[str, Any]:
    return {
        "description": _PROBLEM_TEXTS[status],
        "content": {"application/problem+json": {"schema": _build_schema(Problem)}},
    }


def _build_body_schema(route: Route) -> dict[str, Any]:
    if JSON_PATCH in route.media_types:
        return {"$ref": _COMPONENTS.format(name="JsonPatch")}
    if route.body is dict:
        return {"$ref": _COMPONENTS.format(name="ClientDocument")}
    return _build_schema(route.body)


def _build_schema(kind: Any) -> dict[str, Any]:
    if get_origin(kind) is list:
        return {"type": "array", "items": _build_schema(get_args(kind)[0])}
    if kind in (dict, str):
        return {"type": "object" if kind is dict else "string"}
    return {"$ref": _COMPONENTS.format(name=kind.__name__)}


def _item(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is list else kind


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _build_client_schema(stored: dict[str, Any], extra: Mapping[str, Metadatum]) -> dict[str, Any]:
    """The client's document as it goes in (``ClientDocument``) and comes out (``Client``), from the model's types."""
    fields: dict[str, Any] = {}
    for name in FIELDS:
        schema = dict(stored["properties"][name])
        if name in ("scope", "default_scope"):  # a tuple at home, one string on the wire (RFC 7591 §2)
            schema = {"type": "string", "default": ""}
        fields[name] = schema
    fields |= {name: {"description": field.description} for name, field in extra.items()}
    secret = {"type": "string", "description": "In the answer that makes it, and never again."}
    instant = {"type": ["string", "null"], "format": "date-time", "readOnly": True}
    document = {
        "type": "object",
        "description": "Client metadata: RFC 7591 names, and what only an administrator may set.",
        "properties": {
            "client_id": {"type": "string", "description": "Generated when left out."},
            "client_secret": {
                "type": "string", "writeOnly": True, "minLength": 16, "maxLength": 256,
                "description": "Generated when left out and the client needs one.",
            },
            **fields,
        },
    }  # fmt: skip
    shown = {
        "type": "object",
        "description": "A client.",
        "required": ["client_id"],
        "properties": {
            "client_id": {"type": "string"},
            **fields,
            "client_secret": secret,
            "client_secret_expires_at": {"type": "integer", "description": "0: never (RFC 7591 §3.2.1)."},
            "created_at": instant,
            "updated_at": instant,
        },
    }
    operation = {
        "type": "object",
        "required": ["op", "path"],
        "properties": {
            "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
            "path": {"type": "string"},
            "from": {"type": "string"},
            "value": {},
        },
    }
    return {
        "Client": shown,
        "ClientDocument": document,
        "JsonPatch": {"type": "array", "maxItems": 100, "items": operation},
    }
