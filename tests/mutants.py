"""Proof that tests can fail: whoever has broken a defence asks here whether the test that guards it notices."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent


def load_test(name: str) -> Callable[..., Any]:
    """``folder/file::function`` below tests/, as pytest would collect it."""
    file, function = name.split("::")
    path = TESTS / file
    spec = importlib.util.spec_from_file_location(f"mutated_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    test: Callable[..., Any] = getattr(module, function)
    return test


def is_caught(name: str, *arguments: Any, **named: Any) -> bool:
    """Whether the named test fails on its own assertion."""
    test = load_test(name)
    try:
        test(*arguments, **named)
    except (AssertionError, pytest.fail.Exception):
        return True
    return False
