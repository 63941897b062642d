"""Optional specifications that change existing requests: one file each.

Owns what such a specification adds to a request. Does not own endpoints or grants of its own.
"""
