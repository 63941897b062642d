"""The rules of OAuth and OpenID Connect: pure functions on values.

Owns every decision a specification fixes: what a request may look like, what a redirect may be, what a token says.
Does not own: I/O, time, randomness, storage, frameworks. Whatever of these a rule needs is handed in as a value.
"""
