"""Every clause that the rules cite is on the map, and every clause that a test names is one there is."""

from __future__ import annotations

import re

import pytest
import spec_map

from grantway.extension import ClientAuthentication, Endpoint, Grant
from grantway.registry import BUILTINS

from .markdown import ROOT

CODE, TESTS = spec_map.find_code(ROOT), spec_map.find_tests(ROOT)


def test_every_mark_names_a_clause_of_a_known_specification():
    for folder in (ROOT / "tests", ROOT / "src" / "grantway" / "testing"):
        for path in folder.rglob("*.py"):
            if "node_modules" not in path.parts:
                for name, mark in spec_map.read_marks(path.read_text(encoding="utf-8")):
                    assert list(spec_map.parse_citations(mark)), f"{path.name}::{name}: {mark!r}"


def test_no_citation_of_the_rules_is_overlooked():
    """A second, simpler look at the same files: every section sign behind a name has become a clause."""
    for folder in spec_map.RULE_FOLDERS:
        for path in (ROOT / "src" / "grantway" / folder).glob("*.py"):
            cited = set(spec_map.parse_citations(path.read_text(encoding="utf-8")))
            for name, section in re.findall(r"(RFC \d{4}) (§[\d.]*\d)", path.read_text(encoding="utf-8")):
                assert f"{name} {section}" in cited, path
                assert f"{name} {section}" in CODE


@pytest.mark.parametrize(
    "extension",
    [kind for kind in BUILTINS if issubclass(kind, Grant | ClientAuthentication | Endpoint) and kind.spec],
    ids=lambda kind: kind.name,
)
def test_what_a_built_in_says_it_implements_is_proved(extension):
    """The clause itself has a test, or another one of the same chapter."""
    specification, _, section = extension.spec.partition(" §")
    chapter = f"{specification} §{section.partition('.')[0]}"
    assert any(clause == chapter or clause.startswith(f"{chapter}.") for clause in TESTS), extension.spec


def test_every_clause_that_a_rule_cites_has_a_test():
    assert spec_map.find_untested(CODE, TESTS) == []


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("see RFC 6749 §4.1.3", ["RFC 6749 §4.1.3"]),
        ("(RFC 6749 §3.1 and §3.2)", ["RFC 6749 §3.1", "RFC 6749 §3.2"]),
        ("RFC 9110\n    # §13.1.2", ["RFC 9110 §13.1.2"]),
        ("RFC 6749 Appendix A.5", ["RFC 6749 Appendix A.5"]),
        ("OpenID Connect Core §3.1.2.1.", ["OpenID Connect Core §3.1.2.1"]),
        ("OAuth 2.0 Multiple Response Type Encoding Practices §2.1", ["OAuth 2.0 Multiple Response Types §2.1"]),
        ("OWASP ASVS 5.0 6.3.8", ["OWASP ASVS 5.0 6.3.8"]),
        ("OWASP ASVS 5.0 7.3", ["OWASP ASVS 5.0 7.3"]),
        ("OpenID Connect RP-Initiated Logout 1.0", []),
        ("RFC 6749 in general", []),
    ],
)
def test_a_citation_is_read(text: str, clauses: list[str]):
    assert list(spec_map.parse_citations(text)) == clauses
