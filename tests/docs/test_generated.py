"""The reference pages are what the code says today."""

from __future__ import annotations

import generate
import pytest

from .markdown import DOCS

PAGES = generate.build_pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_up_to_date(name: str):
    path = DOCS / name
    assert path.exists(), "run `make docs`"
    assert path.read_text(encoding="utf-8") == PAGES[name], "run `make docs`"


def test_the_reference_holds_nothing_but_generated_pages():
    written = {path.relative_to(DOCS).as_posix() for path in (DOCS / "reference").iterdir()}
    assert written == {name for name in PAGES if name.startswith("reference/")}


def test_nothing_is_left_undescribed():
    for name, page in PAGES.items():
        assert "| |  |" not in page, name
    for path, command in generate.iterate_commands():
        assert command.help, path
