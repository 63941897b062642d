"""Alembic's home: ``env.py`` and, in ``versions``, one migration per change of the schema, for all databases."""
