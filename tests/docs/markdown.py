"""Reads the documentation as a test needs it: fenced blocks, links, words in code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")


class Block(Struct, frozen=True):
    """A fenced block: the language it is marked with, its text, and the line it begins at."""

    language: str
    text: str
    line: int


def list_pages() -> list[Path]:
    """Every page of the project, generated ones included."""
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def read_blocks(path: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = path.read_text(encoding="utf-8")
    return [Block(match[1], match[2], text.count("\n", 0, match.start()) + 1) for match in _FENCE.finditer(text)]


def read_prose(path: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def read_links(path: Path) -> Iterator[str]:
    """Where the links and images of a page lead."""
    yield from _LINK.findall(_CODE.sub("", read_prose(path)))


def read_code_words(path: Path) -> list[str]:
    """What stands between single back-ticks."""
    return _CODE.findall(read_prose(path))


def build_anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    anchors = set()
    for heading in re.findall(r"^#+ (.+)$", _FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE):
        text = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
        anchors.add(text.replace(" ", "-"))
    return anchors
