"""Contexts of the playground's templates."""

from __future__ import annotations

from typing import Any

from grantway.web.playground.editing import list_fields
from grantway.web.playground.flow import Flow, Material, RawRequest, Step
from grantway.web.playground.showing import (
    Exchange,
    build_answer_lines,
    build_curl,
    build_request_lines,
    find_sent,
    find_tokens,
    read_basic,
)
from grantway.web.playground.walks import Outcome, Walk


def group_flows(flows: list[Flow]) -> list[dict[str, Any]]:
    """Flows by their group, in the order of the list."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for flow in flows:
        groups.setdefault(flow.group, []).append(describe_flow(flow))
    return [{"title": title, "flows": members} for title, members in groups.items()]


def describe_flow(flow: Flow) -> dict[str, Any]:
    return {
        "name": flow.name,
        "title": flow.title,
        "summary": flow.summary,
        "spec": flow.spec,
        "client_id": flow.client_id,
        "steps": [step.title for step in flow.steps],
    }


def describe_walk(walk: Walk, issuer: str, material: Material) -> dict[str, Any]:
    """The steps that are done with what they brought, the current one with its request, and the titles to come."""
    steps = [_describe_step(number, step, walk, issuer, material) for number, step in enumerate(walk.flow.steps)]
    return {
        "flow": describe_flow(walk.flow),
        "walk_id": walk.walk_id,
        "position": walk.position,
        "is_over": walk.is_over,
        "steps": steps,
    }


def _describe_step(number: int, step: Step, walk: Walk, issuer: str, material: Material) -> dict[str, Any]:
    described: dict[str, Any] = {
        "number": number + 1,
        "title": step.title,
        "state": "done" if number < walk.position else "now" if number == walk.position else "later",
    }
    if described["state"] == "later":
        return described
    described |= {
        "kind": step.kind,
        "explanation": step.explanation,
        "checks": step.checks,
        "outcome": step.outcome,
        "surprise": None,
        "exchange": None,
    }
    if number < walk.position:
        described["exchange"] = _build_exchange(walk.done[number], issuer, material.callback)
        return described
    if walk.failed is not None:
        described["surprise"] = walk.failed.surprise
        described["failed"] = _build_exchange(walk.failed, issuer, material.callback)
    if walk.request is not None:
        described["exchange"] = _build_request(walk.request, issuer)
        described["url"] = material.issuer + walk.request.target
        described["fields"] = list_fields(walk.request) if step.kind == "send" else []
    return described


def _build_request(request: RawRequest, issuer: str) -> Exchange:
    return Exchange(
        request=build_request_lines(request, issuer.partition("://")[2]),
        curl=build_curl(request, issuer),
        basic=read_basic(request.headers),
        sent=find_sent(request),
    )


def _build_exchange(outcome: Outcome, issuer: str, callback: str) -> Exchange:
    request = outcome.request
    return Exchange(
        request=build_request_lines(request, issuer.partition("://")[2]),
        curl=build_curl(request, issuer) if outcome.answer.status else None,
        basic=read_basic(request.headers),
        sent=find_sent(request),
        answer=build_answer_lines(outcome.answer, callback),
        tokens=find_tokens(outcome.answer, outcome.opaque),
    )
