"""Which clause of which specification is enforced where, and proved by which test.

A clause is cited in the code as ``RFC 6749 §4.1.3`` and in a test by ``@pytest.mark.spec("RFC 6749 §4.1.3")``. This
module reads both and lays them side by side.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

RULE_FOLDERS = ("protocol", "grants", "client_auth", "features", "endpoints")
"""Where the rules are: what is cited there has a test."""

_ALIASES = {
    "OAuth 2.0 Multiple Response Type Encoding Practices": "OAuth 2.0 Multiple Response Types",
    "CSP Level 3": "CSP 3",
    "OpenID Connect Registration": "OpenID Connect Dynamic Client Registration",
}
SPECIFICATIONS = {
    "RFC 3986": "Uniform Resource Identifier",
    "RFC 4007": "IPv6 Scoped Address Architecture",
    "RFC 4291": "IPv6 Addressing Architecture",
    "RFC 4514": "String Representation of Distinguished Names",
    "RFC 5280": "X.509 Certificates and Certificate Revocation Lists",
    "RFC 5646": "Tags for Identifying Languages",
    "RFC 6052": "IPv6 Addressing of IPv4/IPv6 Translators",
    "RFC 6265": "HTTP State Management",
    "RFC 6454": "The Web Origin Concept",
    "RFC 6585": "Additional HTTP Status Codes",
    "RFC 6749": "The OAuth 2.0 Authorization Framework",
    "RFC 6750": "Bearer Token Usage",
    "RFC 6797": "HTTP Strict Transport Security",
    "RFC 6819": "OAuth 2.0 Threat Model and Security Considerations",
    "RFC 6902": "JSON Patch",
    "RFC 6890": "Special-Purpose IP Address Registries",
    "RFC 7009": "Token Revocation",
    "RFC 7396": "JSON Merge Patch",
    "RFC 7468": "Textual Encodings of PKIX, PKCS, and CMS Structures",
    "RFC 7515": "JSON Web Signature",
    "RFC 7516": "JSON Web Encryption",
    "RFC 7517": "JSON Web Key",
    "RFC 7518": "JSON Web Algorithms",
    "RFC 7519": "JSON Web Token",
    "RFC 7521": "Assertion Framework for Client Authentication and Authorization Grants",
    "RFC 7522": "SAML 2.0 Profile for Client Authentication and Authorization Grants",
    "RFC 7523": "JWT Profile for Client Authentication and Authorization Grants",
    "RFC 7591": "Dynamic Client Registration",
    "RFC 7592": "Dynamic Client Registration Management",
    "RFC 7636": "Proof Key for Code Exchange",
    "RFC 7638": "JWK Thumbprint",
    "RFC 7662": "Token Introspection",
    "RFC 7800": "Proof-of-Possession Key Semantics",
    "RFC 8037": "CFRG Elliptic Curves in JOSE",
    "RFC 8252": "OAuth 2.0 for Native Apps",
    "RFC 8259": "JSON",
    "RFC 8265": "Preparation of Usernames and Passwords",
    "RFC 8288": "Web Linking",
    "RFC 8414": "Authorization Server Metadata",
    "RFC 8615": "Well-Known URIs",
    "RFC 8628": "Device Authorization Grant",
    "RFC 8693": "Token Exchange",
    "RFC 8705": "Mutual-TLS Client Authentication and Certificate-Bound Access Tokens",
    "RFC 8707": "Resource Indicators",
    "RFC 8725": "JSON Web Token Best Current Practices",
    "RFC 9068": "JWT Profile for Access Tokens",
    "RFC 9110": "HTTP Semantics",
    "RFC 9111": "HTTP Caching",
    "RFC 9112": "HTTP/1.1",
    "RFC 9207": "Authorization Server Issuer Identification",
    "RFC 9440": "Client-Cert HTTP Header Field",
    "RFC 9457": "Problem Details for HTTP APIs",
    "RFC 9700": "OAuth 2.0 Security Best Current Practice",
    "RFC 9701": "JWT Response for OAuth Token Introspection",
    "OpenID Connect Core": "OpenID Connect Core 1.0",
    "OpenID Connect Discovery": "OpenID Connect Discovery 1.0",
    "OpenID Connect Dynamic Client Registration": "OpenID Connect Dynamic Client Registration 1.0",
    "OpenID Connect RP-Initiated Logout": "OpenID Connect RP-Initiated Logout 1.0",
    "OpenID Connect Front-Channel Logout": "OpenID Connect Front-Channel Logout 1.0",
    "OpenID Connect Back-Channel Logout": "OpenID Connect Back-Channel Logout 1.0",
    "OAuth 2.0 Form Post Response Mode": "OAuth 2.0 Form Post Response Mode",
    "OAuth 2.0 Multiple Response Types": "OAuth 2.0 Multiple Response Type Encoding Practices",
    "SAML core": "Assertions and Protocols for SAML 2.0",
    "SAML profiles": "Profiles for SAML 2.0",
    "OWASP ASVS 5.0": "OWASP Application Security Verification Standard 5.0",
    "NIST SP 800-63B": "Digital Identity Guidelines: Authentication",
    "draft-ietf-httpapi-ratelimit-headers-10": "RateLimit Header Fields for HTTP, an Internet-Draft",
    "CSP 3": "Content Security Policy Level 3",
    "Fetch": "The Fetch Standard",
}
"""Every specification that may be cited: its name in citations and its title."""

_GAP = r"[\s#]+"
_BY_LENGTH = sorted([*SPECIFICATIONS, *_ALIASES], key=len, reverse=True)
_NAME = "|".join(_GAP.join(map(re.escape, name.split())) for name in _BY_LENGTH)
_SECTION = r"§\s?[A-Z]?\d+(?:\.\d+)*"
_CLAUSE = rf"{_SECTION}|Appendix [A-Z](?:\.\d+)?|\d+\.\d+\.\d+|(?<=ASVS 5\.0 )\d+\.\d+"
_MORE = rf"(?:,|{_GAP}(?:and|or|to)){_GAP}{_SECTION}"
_CITATION = re.compile(rf"({_NAME})(?:{_GAP}1\.0)?{_GAP}((?:{_CLAUSE})(?:{_MORE})*)")
_ONE_CLAUSE = re.compile(rf"{_SECTION}|Appendix [A-Z](?:\.\d+)?|\d+(?:\.\d+)+")

Places = dict[str, set[str]]
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def parse_citations(text: str) -> Iterator[str]:
    """Every clause that ``text`` cites, as ``name clause``, continuation (``§3.1 and §3.2``) included."""
    for match in _CITATION.finditer(text):
        name = re.sub(r"[\s#]+", " ", match[1])
        for clause in _ONE_CLAUSE.findall(match[2]):
            yield f"{_ALIASES.get(name, name)} {clause}"


def find_code(root: Path) -> Places:
    """Clause to the files of ``src/grantway`` that cite it; the shipped test kit counts as tests. The flows of the
    playground tell what is enforced elsewhere."""
    places: Places = {}
    source = root / "src" / "grantway"
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source).parts
        if parts[0] != "testing" and parts[:3] != ("web", "playground", "flows"):
            for clause in parse_citations(path.read_text(encoding="utf-8")):
                places.setdefault(clause, set()).add(path.relative_to(source).as_posix())
    return places


@cache  # a second each time, and three pages ask
def find_tests(root: Path) -> Places:
    """Clause to the tests (``path::name``) that are marked with it."""
    places: Places = {}
    for folder in (root / "tests", root / "src" / "grantway" / "testing"):
        for path in sorted(folder.rglob("*.py")):
            if "node_modules" not in path.parts:
                for name, mark in read_marks(path.read_text(encoding="utf-8")):
                    for clause in parse_citations(mark):
                        places.setdefault(clause, set()).add(f"{path.relative_to(root).as_posix()}::{name}")
    return places


def read_marks(source: str) -> Iterator[tuple[str, str]]:
    """(test, argument) of each ``pytest.mark.spec``: on the test, on its class, or on one of its parameters."""
    for names, nodes in iterate_tests(source):
        for mark in (mark for node in nodes for mark in _read_decorators(node)):
            yield "::".join(names), mark


def iterate_tests(source: str) -> Iterator[tuple[tuple[str, ...], tuple[Definition, ...]]]:
    """Every test of a module: its names, the class's first, and the nodes whose decorators apply to it."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            for test in node.body:
                if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef) and test.name.startswith("test_"):
                    yield (node.name, test.name), (node, test)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield (node.name,), (node,)


def _read_decorators(node: Definition) -> Iterator[str]:
    for decorator in node.decorator_list:
        for call in ast.walk(decorator):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "spec":
                yield from (str(value.value) for value in call.args if isinstance(value, ast.Constant))


def build_page(root: Path) -> str:
    code, tests = find_code(root), find_tests(root)
    lines = [
        "# Specification map",
        "",
        "Each clause that the code cites, where it is enforced, and the tests that are marked with it. A test below a",
        "clause proves something about that clause, not necessarily all of it.",
        "",
    ]
    for name, title in SPECIFICATIONS.items():
        clauses = sorted((clause for clause in {*code, *tests} if clause.startswith(f"{name} ")), key=_sort_key)
        if clauses:
            heading = f"## {name}" if title.startswith(name) else f"## {name}: {title}"
            lines += [heading, "", "| clause | code | tests |", "|---|---|---|"]
            lines += [_build_row(clause.removeprefix(f"{name} "), clause, code, tests) for clause in clauses]
            lines.append("")
    lines += _list_uncited(code, tests)
    return "\n".join(lines).rstrip() + "\n"


def _build_row(label: str, clause: str, code: Places, tests: Places) -> str:
    files = "<br>".join(f"[{path}](../src/grantway/{path})" for path in sorted(code.get(clause, ())))
    names = "<br>".join(
        f"[{test.rpartition('::')[2]}](../{test.partition('::')[0]})" for test in sorted(tests.get(clause, ()))
    )
    return f"| {label} | {files} | {names} |"


def _list_uncited(code: Places, tests: Places) -> list[str]:
    uncited = sorted(set(tests) - set(code), key=_sort_key)
    return [
        "## Marked by a test, cited nowhere",
        "",
        "Proved, but no line of the code names the clause.",
        "",
        *([f"- {clause}" for clause in uncited] or ["None."]),
    ]


def find_untested(code: Places, tests: Places) -> list[str]:
    """Clauses of the rules without a test of their own or of a clause below them."""
    return [
        clause
        for clause in sorted(code, key=_sort_key)
        if any(path.partition("/")[0] in RULE_FOLDERS for path in code[clause])
        and not any(tested == clause or tested.startswith(clause + ".") for tested in tests)
    ]


def _sort_key(clause: str) -> tuple[int, list[tuple[int, int, str]]]:
    names = list(SPECIFICATIONS)
    name = next(name for name in sorted(names, key=len, reverse=True) if clause.startswith(f"{name} "))
    parts = re.findall(r"\d+|[A-Z]+", clause.removeprefix(name))
    return names.index(name), [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]
