"""``python -m grantway``: the command line."""

from grantway.cli import main

main()
