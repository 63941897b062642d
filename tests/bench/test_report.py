"""docs/performance.md is written from what was measured, and has no figure from anywhere else."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from bench.__main__ import PARTS, main
from bench.conditions import Curve, Options, Part, Plot, Table
from bench.plot import draw
from bench.report import PAGE, PLOTS, strip_regions, update_page

SVG = "{http://www.w3.org/2000/svg}"
CURVES = [Curve("one", [(100, 50.0), (10_000, 25_000.0)]), Curve("two", [(100, 7.0), (10_000, 9.0)])]
PART = Part(
    "growth",
    lambda options: {},
    lambda result: [Table("A table", ["size", "requests/s"], [["100", str(result["figure"])]])],
    lambda result: [Plot("growth-things", "Things", "things", "requests/s", CURVES)],
)


def write_result(folder: Path, figure: int, asked: str = "--part=growth") -> None:
    conditions = {"at": "2026-01-01", "grantway": "1", "python": "3", "cores": 2, "processor": "P", "wrk": "4"}
    written = {"conditions": conditions, "asked": asked, "result": {"figure": figure, "bad": 0}}
    (folder / "growth.json").write_text(json.dumps(written), encoding="utf-8")


def test_the_report_writes_its_regions_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    write_result(tmp_path, 4711)
    assert update_page(page, tmp_path, [PART]) == ["growth"]
    text = page.read_text(encoding="utf-8")
    assert "| 100 | 4711 |" in text
    assert strip_regions(text) == strip_regions(PAGE.read_text(encoding="utf-8"))
    assert (tmp_path / PLOTS / "growth-things.svg").is_file()

    write_result(tmp_path, 4712)
    (tmp_path / PLOTS / "growth-other-things.svg").write_text("<svg/>")
    update_page(page, tmp_path, [PART])
    assert not (tmp_path / PLOTS / "growth-other-things.svg").exists()
    assert "4711" not in page.read_text(encoding="utf-8")
    assert page.read_text(encoding="utf-8") == text.replace("4711", "4712")


def test_a_part_without_a_region_on_the_page_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("No region here.\n", encoding="utf-8")
    write_result(tmp_path, 1)
    with pytest.raises(SystemExit, match="no region for growth"):
        update_page(page, tmp_path, [PART])


def test_figures_of_a_smoke_run_do_not_get_on_the_page(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    write_result(tmp_path, 4711, "--part=growth --smoke")
    with pytest.raises(SystemExit, match="smoke"):
        update_page(page, tmp_path, [PART])
    assert "4711" not in page.read_text(encoding="utf-8")


def test_every_part_has_its_region_on_the_page_and_every_plot_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"<!-- bench:(\w+) -->", text) == re.findall(r"<!-- /bench:(\w+) -->", text)
    assert set(re.findall(r"<!-- bench:(\w+) -->", text)) == set(PARTS)
    shown = {Path(link).name for link in re.findall(r"\]\((\S+\.svg)\)", text)}
    assert shown == {path.name for path in (PAGE.parent / PLOTS).glob("*.svg")}


def test_no_figure_stands_outside_the_regions() -> None:
    prose = strip_regions(PAGE.read_text(encoding="utf-8"))
    assert not re.findall(r"\d[\d,.]*\s?(?:ms|µs|s|kB|MB|GB|%|/s|per second|times)(?![\w])", prose)
    assert not re.findall(r"\b(?:twice|thrice) as\b", prose)


def test_a_plot_is_readable_on_light_and_dark_pages_and_without_colours() -> None:
    picture = draw(Plot("things", "Requests by <things>", "things", "requests/s", CURVES))
    root = ET.fromstring(picture)
    assert root.findtext(f"{SVG}title") == "Requests by <things>"
    assert "one: 50 at 100, 25,000 at 10,000" in (root.findtext(f"{SVG}desc") or "")
    assert "prefers-color-scheme: dark" in (root.findtext(f"{SVG}style") or "")
    assert len(root.findall(f"{SVG}circle")) == 3  # two places and the legend
    assert len(root.findall(f"{SVG}rect")) == 4  # the same, and what is behind everything
    first, second = root.findall(f"{SVG}circle")[:2]
    assert float(first.get("cx") or 0) < float(second.get("cx") or 0)
    assert float(first.get("cy") or 0) > float(second.get("cy") or 0)  # more is higher
    left, top, width, height = (float(number) for number in (root.get("viewBox") or "").split())
    assert all(
        left < float(c.get("cx") or -1) < width and top < float(c.get("cy") or -1) < height for c in [first, second]
    )


@pytest.mark.parametrize("arguments", [["--with=nothing"], ["--databases=dbase"], ["--part=all"]])
def test_a_name_that_is_not_known_stops_the_bench(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code != 0
    said = f"{stopped.value.code} {capsys.readouterr().err}"
    assert "known are" in said or "invalid choice" in said


def test_bad_answers_fail_the_bench(
    wrk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(options: Options) -> dict[str, int]:
        return {"figure": 1, "bad": 1}

    monkeypatch.setitem(PARTS, "growth", Part("growth", run, PART.list_tables))
    assert main(["--part=growth", "--out", str(tmp_path), "--sizes=1", "--peer=x=http://a,http://b,id,secret"]) == 1
    assert "growth had answers other than success" in capsys.readouterr().err
    assert json.loads((tmp_path / "growth.json").read_text())["asked"] == "--part=growth --sizes=1"
