"""The SQL store: tables, statements, verbs, one file per driver, migrations.

Owns the schema and every SQL statement of Grantway. The verbs (``clients``, ``subjects``, ``authorizations``, …) are
written once, over the small ``Transaction`` protocol; a driver brings statements compiled for its dialect, threads or
sockets, and commits. Does not own: caching (``storage.grid``) and any rule of the protocol.
"""
