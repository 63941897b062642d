"""``grantway completion``: what a shell needs to complete commands and options."""

from __future__ import annotations

import click

from grantway.cli.invocation import Command


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    For example: grantway completion bash > ~/.local/share/bash-completion/completions/grantway
    """
    from click.shell_completion import get_completion_class

    from grantway.cli.root import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"No completion for {shell}.")
    # Filled in from the template, not with ``source()``: that would ask the installed bash for its version first.
    source = kind(cli, {}, "grantway", "_GRANTWAY_COMPLETE")
    click.echo(source.source_template % source.source_vars())
