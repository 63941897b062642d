"""What the playground says the server checks, the code cites and a test proves."""

from __future__ import annotations

import pytest
import spec_map

from grantway.web.playground.flow import Flow
from grantway.web.playground.flows import FLOWS

from .markdown import ROOT

KNOWN = {*spec_map.find_code(ROOT), *spec_map.find_tests(ROOT)}
CLIENTS_OWN = {"RFC 8414 §3.3", "RFC 7517 §4.5"}
"""What a client checks, and not the server."""


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_a_check_that_is_explained_is_enforced(flow: Flow) -> None:
    for step in flow.steps:
        for check in step.checks:
            clauses = set(spec_map.parse_citations(check.spec))
            assert clauses, f"{check.spec} is no clause of a known specification"
            assert clauses <= KNOWN | CLIENTS_OWN, f"{step.title}: nothing in the code cites {check.spec}"
