"""Speed, measured: each path against a bare ASGI hello under the same uvicorn, in the same run.

Owns the load (wrk on loopback), the yardstick and the report. Does not own any pass or fail: figures depend on the
machine, so they are printed with their conditions and written as JSON, never asserted.
"""
