"""Grantway: the OAuth 2.1 authorization server and OpenID Connect provider for Python."""

from grantway.version import __version__

__all__ = ["__version__"]
