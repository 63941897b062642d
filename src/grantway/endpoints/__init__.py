"""The URLs of the protocol and of the pages: one file each.

Owns the order of steps at a URL: what is read, who is asked, what is answered. Does not own rules (``protocol``), the
gate, grants, storage, or how a page looks. The authorization endpoint, the interaction and the pages never call each
other: each returns to ``dispatcher``, which asks ``next_step``.
"""
