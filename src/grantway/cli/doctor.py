"""``grantway doctor``: is this installation safe to run? Each finding says what to do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from grantway.cli.invocation import Command, Invocation, pass_invocation
from grantway.cli.output import clean, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grantway.cli.diagnosis import Finding

_COLORS = {"ok": "green", "warning": "yellow", "unsafe": "red"}


@click.command(cls=Command)
@pass_invocation
def doctor(invocation: Invocation) -> int:
    """Check settings, secrets, database, keys and clock. Exit code 1: something is unsafe."""
    from grantway.cli.diagnosis import diagnose

    findings = diagnose(invocation.load_settings(), invocation.find_file())
    is_safe = all(finding.level != "unsafe" for finding in findings)
    if invocation.is_json:
        write_json({"safe": is_safe, "findings": [finding.describe() for finding in findings]})
    else:
        _write(findings)
    return 0 if is_safe else 1


def _write(findings: Sequence[Finding]) -> None:
    is_terminal = sys.stdout.isatty()
    for finding in findings:
        word = finding.level.upper() if finding.level == "unsafe" else finding.level
        word = click.style(f"{word:8}", fg=_COLORS[finding.level], bold=True) if is_terminal else f"{word:8}"
        print(f"{word} {finding.check}: {clean(finding.message)}")
        if finding.advice:
            print(f"         → {clean(finding.advice)}")
