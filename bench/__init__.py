"""Speed, measured: paths against a bare ASGI hello, writes, growth, idle connections, starting, other servers.

Owns the load (wrk on loopback, and an open loop for idle connections), the yardstick, the peers, the tables and plots
of docs/performance.md. Does not own any pass or fail: figures depend on the machine, so they are printed with their
conditions and written as JSON, never asserted. Only answers other than success fail a run.
"""
