"""The command line: thin commands over ``admin``, ``web`` and ``server``.

Owns: arguments, prompts, what is printed and the exit code. Does not own: any use case; what a command does, the admin
API and embedding code do through the same functions.

Nothing heavy is imported until a command runs: ``--version`` and ``--help`` answer at once.
"""

from __future__ import annotations

import sys


def main() -> None:
    """The ``grantway`` command. Ends the process; see ``grantway.cli.root`` for the exit codes."""
    if sys.argv[1:] == ["--version"]:
        from grantway.version import __version__

        print(f"grantway {__version__}")
        sys.exit(0)
    from grantway.cli.root import run

    sys.exit(run(sys.argv[1:]))
