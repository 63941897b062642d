"""The kit for APIs that accept tokens. It stands beside the server: an API installs it without running one.

Owns reading and checking a token where it is used. Does not own issuing, storage or the web server; it may import the
rules (``protocol``), the values (``model``) and the errors, and nothing else of Grantway.
"""
