"""Gives the tests of the shipped contract the marks they name."""

from __future__ import annotations

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    for row in getattr(getattr(item, "function", None), "threats", ()):
        item.add_marker(pytest.mark.threat(row))
