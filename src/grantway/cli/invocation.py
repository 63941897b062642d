"""One run of the command line: the options every command takes, and the settings they lead to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from grantway.config import Settings

DEFAULT_FILE = Path("grantway.toml")


class Invocation:
    """What the shared options said. One object for the whole run, whichever level an option was given at."""

    def __init__(self) -> None:
        self.is_json = False
        self.config_file: Path | None = None
        self.assignments: dict[str, str] = {}
        """``--set`` as given: dotted name to text."""
        self.tenant = "default"

    def load_settings(self, **overrides: Any) -> Settings:
        """Settings from file, environment, ``--set`` and the command's own flags (``serve__port=0``), in this order.

        A flag that is None was not given.

        Raises:
            ConfigurationError: as ``config.load_settings``.
        """
        from grantway.config import load_settings

        flags = {name.replace("__", "."): value for name, value in overrides.items() if value is not None}
        return load_settings(self.find_file(), os.environ, self._convert_assignments() | flags)

    def find_file(self) -> Path | None:
        """``--config``, or ./grantway.toml when there is one."""
        if self.config_file is not None:
            return self.config_file
        return DEFAULT_FILE if DEFAULT_FILE.is_file() else None

    def _convert_assignments(self) -> dict[str, Any]:
        from grantway.config import iterate_options

        options = {option.dotted: option for option in iterate_options()} if self.assignments else {}
        converted: dict[str, Any] = {}
        for name, text in self.assignments.items():
            option = options.get(name)
            if option is not None and option.is_secret:
                raise click.UsageError(
                    f"--set {name}: a secret does not belong on a command line, where every process can read it. "
                    f"Put it in a file and name that in {option.environment_name}_FILE."
                )
            is_list = option is not None and option.type.startswith("list")
            converted[name] = [part.strip() for part in text.split(",") if part.strip()] if is_list else text
        return converted


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)


def _remember(context: click.Context) -> Invocation:
    return context.find_root().ensure_object(Invocation)


def _on_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        _remember(context).is_json = True


def _on_config(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        _remember(context).config_file = value


def _on_set(context: click.Context, _: click.Parameter, values: tuple[str, ...]) -> None:
    for value in values:
        name, separator, text = value.partition("=")
        if not separator or not name:
            raise click.BadParameter(f"{value!r} is not of the form section.option=value.")
        _remember(context).assignments[name] = text


def build_shared_options() -> list[click.Parameter]:
    """``--json``, ``--config`` and ``--set``: understood before and after the name of a command."""
    return [
        click.Option(
            ["--json"], is_flag=True, expose_value=False, is_eager=True, callback=_on_json, help="Write JSON."
        ),
        click.Option(
            ["--config"], expose_value=False, callback=_on_config, metavar="FILE",
            type=click.Path(path_type=Path, dir_okay=False),
            help=f"Settings file. Default: ./{DEFAULT_FILE} when there is one.",
        ),
        click.Option(
            ["--set"], multiple=True, expose_value=False, callback=_on_set, metavar="SECTION.OPTION=VALUE",
            help="Set one option; may be repeated.",
        ),
    ]  # fmt: skip


class Command(click.Command):
    """A command that takes the shared options too."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params.extend(build_shared_options())


class Group(click.Group):
    """A group whose commands take the shared options too."""

    command_class = Command

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params.extend(build_shared_options())


def _on_tenant(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        _remember(context).tenant = value


tenant_option = click.option(
    "--tenant", expose_value=False, callback=_on_tenant, metavar="NAME", help="The tenant to work in."
)
limit_option = click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Most entries to list."
)
cursor_option = click.option("--cursor", metavar="CURSOR", help="Go on where the last page ended.")
