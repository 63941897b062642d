"""The figures for people: tables on a terminal, and the tables and plots of docs/performance.md.

The page is prose around regions, ``<!-- bench:NAME -->`` to ``<!-- /bench:NAME -->``. What stands in a region is
written here from the JSON of the parts and from nothing else, so no figure on the page was typed by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bench.conditions import Part, Table
from bench.plot import draw

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
PLOTS = Path("images") / "performance"
"""Where the plots are, below the folder of the page."""
_REGION = re.compile(r"(<!-- bench:(\w+) -->\n).*?(<!-- /bench:\2 -->)", re.DOTALL)


def print_tables(tables: Iterable[Table], write: Callable[[str], None]) -> None:
    """For a terminal: columns as wide as what stands in them."""
    for table in tables:
        lines = [table.head, *table.rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(table.head))]
        write(f"\n{table.title}")
        for first, *rest in lines:
            cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
            write("  ".join([first.ljust(widths[0]), *cells]).rstrip())


def update_page(page: Path, results: Path, parts: Iterable[Part]) -> list[str]:
    """Writes the region of every part that has results, and its plots. Returns the names of these parts.

    Raises:
        SystemExit: the results are those of a smoke run, or the page has no region for a part.
    """
    regions, plots = {}, {}
    for part in parts:
        file = results / f"{part.name}.json"
        if file.is_file():
            written = json.loads(file.read_text(encoding="utf-8"))
            if "--smoke" in written["asked"]:
                raise SystemExit(f"bench: {file} is of a smoke run; its figures mean nothing")
            regions[part.name] = build_region(part, written)
            plots |= {plot.name: draw(plot) for plot in part.list_plots(written["result"])}
    text = page.read_text(encoding="utf-8")
    missing = set(regions) - {name for _, name, _ in _REGION.findall(text)}
    if missing:
        raise SystemExit(f"bench: {page} has no region for {', '.join(sorted(missing))}")
    text = fill_regions(text, regions)
    page.write_text(text, encoding="utf-8")
    folder = page.parent / PLOTS
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in plots.items():
        (folder / f"{name}.svg").write_text(picture, encoding="utf-8")
    for path in folder.glob("*.svg"):
        if path.name not in text:
            path.unlink()
    return sorted(regions)


def fill_regions(text: str, regions: dict[str, str]) -> str:
    """The page with the named regions written anew, and everything else as it was."""

    def fill(found: re.Match[str]) -> str:
        opening, name, closing = found.groups()
        return f"{opening}\n{regions[name]}\n{closing}" if name in regions else found[0]

    return _REGION.sub(fill, text)


def strip_regions(text: str) -> str:
    """The page without what the bench wrote."""
    return _REGION.sub("", text)


def build_region(part: Part, written: dict[str, Any]) -> str:
    """What is between the markers: conditions, tables, plots."""
    blocks = [_describe(written["conditions"], written["asked"])]
    for table in part.list_tables(written["result"]):
        head = " | ".join(table.head)
        rule = "|".join(["---", *["---:"] * (len(table.head) - 1)])
        rows = "\n".join(f"| {' | '.join(row)} |" for row in table.rows)
        blocks.append(f"**{table.title}**\n\n| {head} |\n|{rule}|\n{rows}")
    plots = part.list_plots(written["result"])
    blocks += [f"![{plot.title}]({(PLOTS / plot.name).as_posix()}.svg)" for plot in plots]
    return "\n\n".join(blocks) + "\n"


def _describe(conditions: dict[str, Any], asked: str) -> str:
    return (
        f"{conditions['at']}, Grantway {conditions['grantway']}, Python {conditions['python']}, "
        f"{conditions['cores']} cores ({conditions['processor']}), load by wrk {conditions['wrk']} on the same cores. "
        f'`make bench BENCH_ARGS="{asked}"`'
    )
