"""The public interface: what ``import grantway`` promises, and what it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import grantway


def test_every_public_name_is_there():
    for name in grantway.__all__:
        assert getattr(grantway, name) is not None


def test_public_names_are_sorted_and_given_once():
    assert grantway.__all__ == sorted(set(grantway.__all__))


def test_completion_offers_every_public_name():
    assert set(grantway.__all__) <= set(dir(grantway))


def test_a_class_is_the_one_its_home_has():
    from grantway.server import AuthorizationServer

    assert grantway.AuthorizationServer is AuthorizationServer


def test_another_name_is_an_attribute_error_that_says_which():
    with pytest.raises(AttributeError, match="no_such_name"):
        grantway.no_such_name  # noqa: B018 - looking it up is the test


def test_type_checkers_see_the_names_that_are_imported_late():
    tree = ast.parse(Path(grantway.__file__).read_text(encoding="utf-8"))
    branch = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name for node in branch.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == set(grantway.__all__) - {"__version__"}


def test_importing_the_package_loads_none_of_its_parts():
    script = "import sys, grantway; print(*sorted(name for name in sys.modules if name.startswith('grantway')))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == ["grantway", "grantway.version"]


def test_a_part_is_loaded_without_the_others():
    script = "import sys, grantway; grantway.load_settings; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "grantway.config" in loaded
    assert not {"grantway.server", "starlette", "sqlalchemy", "jinja2"} & set(loaded)
