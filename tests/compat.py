"""Settings under which everything that other servers have of their own is there."""

from __future__ import annotations

from typing import Any

from grantway.config import iterate_options

COMPAT: dict[str, Any] = {option.dotted: True for option in iterate_options() if option.path[0] == "compat"}
"""All of it, the insecure too."""
