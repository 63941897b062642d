"""``make bench``: measures the parts that are asked for, prints them and writes them; ``report`` writes the page."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import costs, growth, idle, paths, peers, start, writes
from bench.conditions import Options, describe
from bench.databases import NAMES
from bench.report import PAGE, ROOT, print_tables, update_page

PARTS = {module.PART.name: module.PART for module in (paths, costs, writes, growth, idle, start, peers)}
OUT = ROOT / ".bench"


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["report"]:
        return report(arguments[1:])
    asked = build_parser().parse_args(arguments)
    if shutil.which("wrk") is None:
        print("bench: wrk is missing; on Debian: apt-get install wrk", file=sys.stderr)
        return 1
    options = build_options(asked)
    conditions = describe()
    print("conditions: " + "; ".join(f"{name} {value}" for name, value in conditions.items()))
    asked.out.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in asked.part or PARTS:
        part = PARTS[name]
        began = time.monotonic()
        result = part.run(options)
        print(f"\n== {name}, {time.monotonic() - began:.0f} s")
        print_tables(part.list_tables(result), print)
        written = {"conditions": conditions, "asked": build_asked(name, arguments), "result": result}
        (asked.out / f"{name}.json").write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
        if result["bad"]:
            failed.append(name)
    print(f"\nwritten to {asked.out}")
    for name in failed:
        print(f"bench: {name} had answers other than success", file=sys.stderr)
    return 1 if failed else 0


def report(arguments: Sequence[str]) -> int:
    """Writes the figures into the page."""
    parser = argparse.ArgumentParser(prog="bench report", description="Write the figures into docs/performance.md.")
    parser.add_argument("--out", type=Path, default=OUT, help="the directory the results were written to")
    parser.add_argument("--page", type=Path, default=PAGE)
    asked = parser.parse_args(arguments)
    written = update_page(asked.page, asked.out, PARTS.values())
    print(f"{asked.page}: {', '.join(written) or 'no results to write'}")
    return 0 if written else 1


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measure Grantway. `report` instead of options writes what was measured into docs/performance.md.",
    )
    default = Options()
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be given several times")
    parser.add_argument("--smoke", action="store_true", help="the shortest run that still goes through everything")
    parser.add_argument("--out", type=Path, default=OUT, help="directory for the results (default: .bench)")
    parser.add_argument("--rounds", type=int, default=default.rounds)
    parser.add_argument(
        "--seconds", type=int, default=default.seconds, help="length of one measurement of paths and options"
    )
    parser.add_argument("--connections", type=int, default=default.connections)
    parser.add_argument("--workers", type=read_numbers, default=default.workers, help="paths: 1,2")
    parser.add_argument(
        "--with", dest="variants", type=read_words, default=(), help=f"options: {','.join(costs.VARIANTS)}"
    )
    parser.add_argument("--databases", type=read_words, default=default.databases, help=",".join(NAMES))
    parser.add_argument("--sizes", type=int, default=default.sizes, help="growth: only so many sizes, smallest first")
    parser.add_argument("--idle", type=int, default=default.idle, help="idle: connections")
    parser.add_argument(
        "--peer",
        dest="peers",
        action="append",
        default=[],
        help="peers: NAME=TOKEN_URL,INTROSPECTION_URL,CLIENT_ID,SECRET of one more server; may be given several times",
    )
    return parser


def build_options(asked: argparse.Namespace) -> Options:
    """Raises ``SystemExit``: a name is unknown."""
    for given, known in ((asked.variants, costs.VARIANTS), (asked.databases, NAMES)):
        for name in given:
            if name not in known:
                raise SystemExit(f"bench: {name!r} is not known; known are {', '.join(known)}")
    names = {field.name for field in dataclasses.fields(Options)}
    options = Options(
        **{name: value for name, value in vars(asked).items() if name in names} | {"is_smoke": asked.smoke}
    )
    if asked.smoke:
        options = dataclasses.replace(options, rounds=1, seconds=1, workers=(1,))
    return dataclasses.replace(options, peers=tuple(asked.peers))


def build_asked(name: str, arguments: Sequence[str]) -> str:
    """What gives this part again, without where the results went, and without secrets of other servers."""
    kept, words = [], iter(arguments)
    for word in words:
        option, equals, _ = word.partition("=")
        if option not in ("--out", "--part", "--peer"):
            kept.append(word)
        elif not equals:
            next(words, None)
    return shlex.join([f"--part={name}", *kept])


def read_words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def read_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
