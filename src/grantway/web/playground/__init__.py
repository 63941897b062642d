"""The playground of ``grantway dev``: each flow step by step, with the raw requests and answers.

Owns: what is explained and shown, and the walks of the browsers, in bounded memory. Does not own: any answer; every
request goes to the server itself, as a client's would. It can send to nobody else, since a request of a step names a
path and no host. ``grantway serve`` never has it: only the development server hands these endpoints to its server.
"""

from __future__ import annotations

from grantway.web.playground.endpoints import Demo, Playground, build_playground

__all__ = ["Demo", "Playground", "build_playground"]
