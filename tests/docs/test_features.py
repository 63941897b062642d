"""What docs/features.md calls done names tests that there are."""

from __future__ import annotations

import functools
import re

import spec_map

from .markdown import DOCS, ROOT, list_pages

ROW = re.compile(r"^\| (.+) \| (\w+) \| (.*) \|$", re.MULTILINE)
TEST_ID = re.compile(r"((?:tests|src)/[\w/]+\.py)((?:::\w+)+)")


def read_rows() -> list[tuple[str, str, str]]:
    page = (DOCS / "features.md").read_text(encoding="utf-8")
    return [row for row in ROW.findall(page) if row[0] != "feature"]


@functools.cache
def list_tests(path: str) -> set[str]:
    """Names of the tests in a file, ``::Class::test`` or ``::test``."""
    file = ROOT / path
    assert file.is_file(), path
    return {"::" + "::".join(names) for names, _ in spec_map.iterate_tests(file.read_text(encoding="utf-8"))}


def test_every_row_is_done_or_planned():
    rows = read_rows()
    assert len(rows) > 80
    assert {state for _, state, _ in rows} == {"done", "planned"}
    assert len({feature for feature, _, _ in rows}) == len(rows)


def test_what_is_done_names_its_proof_and_what_is_planned_has_none():
    for feature, state, proof in read_rows():
        assert bool(TEST_ID.search(proof)) == (state == "done"), feature


def test_every_test_that_a_page_names_exists():
    named = 0
    for page in list_pages():
        for path, name in TEST_ID.findall(page.read_text(encoding="utf-8")):
            named += 1
            assert name in list_tests(path), f"{page.name}: {path}{name}"
    assert named > 100
