"""The documentation is consistent: its links lead somewhere, and what it names exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
from click.testing import CliRunner

from grantway import __version__
from grantway.cli.root import cli
from grantway.config import Settings, iterate_options

from .markdown import DOCS, ROOT, build_anchors, list_pages, read_blocks, read_code_words, read_links

PAGES = list_pages()
OPTIONS = {option.dotted for option in iterate_options()}
VARIABLES = {option.environment_name for option in iterate_options()} | {
    variable
    for file in (Path(__file__).parents[1]).glob("*/*.py")
    for variable in re.findall(r"\bGRANTWAY_TEST_[A-Z_]+", file.read_text(encoding="utf-8"))
}
"""Those of the options, and those of the tests."""
SECTIONS = {name for name in Settings.__struct_fields__ if name != "issuer"}
PROJECT_FILES = ("src", "tests", "bench", "docs")
READABLE = (".py", ".mjs", ".html", ".css", ".svg")
IGNORED = {"node_modules", "__pycache__", "results"}
# What is left to do is in nobody's way here. Written in pieces, or this file would name them itself.
FORBIDDEN = tuple("".join(pieces) for pieces in (("TO", "DO"), ("FIX", "ME"), ("Not", "ImplementedError")))


def name_page(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_internal_links_lead_somewhere(page: Path):
    for link in read_links(page):
        if not link.startswith(("http://", "https://", "mailto:")):
            path, _, anchor = unquote(link).partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert target.is_relative_to(ROOT), link
            if anchor:
                assert anchor in build_anchors(target), link


def test_every_page_can_be_reached_from_the_index():
    reached, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page.suffix == ".md" and page not in reached:
            reached.add(page)
            links = [link.partition("#")[0] for link in read_links(page) if "://" not in link]
            waiting += [(page.parent / link).resolve() for link in links if link]
    assert set(PAGES) <= reached


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_setting_that_is_named_exists(page: Path):
    for word in read_code_words(page):
        name = re.match(r"([a-z]+\.[a-z0-9_]+)( = |$)", word)
        if name and name[1].partition(".")[0] in SECTIONS and not name[1].endswith((".py", ".md", ".html")):
            assert name[1] in OPTIONS, word
    for variable in re.findall(r"\bGRANTWAY_[A-Z0-9_]+", page.read_text(encoding="utf-8")):
        assert variable in VARIABLES or variable.removesuffix("_FILE") in VARIABLES, variable


def test_every_command_that_is_named_exists_and_takes_its_options():
    runner, asked = CliRunner(), set()
    for page in PAGES:
        for line in read_command_lines(page):
            command, names, rest = find_command(line)
            known = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
            for word in rest:
                assert not word.startswith("--") or word.partition("=")[0] in known | {"--help", "--version"}, line
            asked.add(names)
    for names in sorted(asked):
        answer = runner.invoke(cli, [*names, "--help"])
        assert answer.exit_code == 0, (names, answer.output)
    assert len(asked) > 20


def read_command_lines(page: Path) -> Iterator[str]:
    """Whatever begins with ``grantway`` in code: words in back-ticks, and lines of commands, continuations joined."""
    yield from (word for word in read_code_words(page) if word.startswith("grantway ") and "…" not in word)
    for block in read_blocks(page):
        if block.language in ("bash", "console", "ini"):
            for line in block.text.replace("\\\n", " ").splitlines():
                found = re.search(r"(?:^|\$ |/bin/)(grantway .+)$", line)
                if found:
                    yield found[1].partition(" #")[0]


def find_command(line: str) -> tuple[click.Command, tuple[str, ...], list[str]]:
    """The command of a line, its names, and the words that are not its names."""
    command: click.Command = cli
    names: list[str] = []
    rest: list[str] = []
    takes_value = False
    for word in shlex.split(line)[1:]:
        if takes_value:
            takes_value = False
        elif word.startswith("-"):
            rest.append(word)
            takes_value = word in ("--config", "--set")
        elif isinstance(command, click.Group):
            child = command.get_command(click.Context(command), word)
            assert child is not None, line
            command = child
            names.append(word)
    return command, tuple(names), rest


def test_the_changelog_begins_with_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.search(r"^## \[(.+?)\] - \d{4}-\d{2}-\d{2}$", changelog, re.MULTILINE)
    assert heading is not None
    assert heading[1] == __version__


def test_every_insecure_setting_is_explained():
    security = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    insecure = {dotted for dotted in OPTIONS if "insecure" in dotted}
    assert insecure
    for dotted in insecure:
        assert f"`{dotted}`" in security


def test_pictures_name_what_there_is():
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src" / "grantway").rglob("*.py"))
    for picture in (DOCS / "images").glob("*.svg"):
        names = re.findall(r'class="code"[^>]*>([^<]+)<', picture.read_text(encoding="utf-8"))
        assert names
        for name in names:
            owner, _, member = name.rpartition(".")
            assert re.search(rf"(def|class) {re.escape(member)}\b", source), name
            assert not owner or re.search(rf"class {owner}\b", source), name
        for file in re.findall(r"([a-z_]+(?:/[a-z_]+)*\.py)", picture.read_text(encoding="utf-8")):
            assert (ROOT / "src" / "grantway" / file).is_file(), file


def test_every_folder_of_the_architecture_is_there():
    tree = next(block.text for block in read_blocks(DOCS / "architecture.md") if "├──" in block.text)
    named = {name.strip("/") for name in re.findall(r"\b([a-z_]+(?:/|\.py))", "\n".join(
        re.split(r"\s{3,}(?=[a-zA-Z])", line)[0] if line.count(".py") < 2 else line for line in tree.splitlines()
    ))} - {"src", "grantway"}  # fmt: skip
    package = ROOT / "src" / "grantway"
    there = {path.name for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert there - {"__init__.py", "__main__.py", "version.py"} == named


def test_nothing_is_left_to_be_done_in_a_comment():
    files = [*PAGES, ROOT / "Makefile", ROOT / "pyproject.toml"]
    for folder in PROJECT_FILES:
        files += [
            path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".mjs", ".html", ".css", ".svg")
        ]
    for path in files:
        if not IGNORED & set(path.parts):
            text = path.read_text(encoding="utf-8")
            for word in FORBIDDEN:
                assert word not in text, f"{name_page(path)}: {word}"


def test_no_page_has_pictograms_or_trailing_blanks():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert not re.search("[\U0001f300-\U0001faff☀-➿]", text), page
        assert not re.search(r"[ \t]+$", text, re.MULTILINE), page
