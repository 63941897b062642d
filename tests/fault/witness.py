"""Somebody who asks each worker, past nginx, while something is broken, and knows what an honest answer is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from grantway.extension import Runtime
from grantway.testing.load import Answer, Connection
from grantway.testing.running_server import INTROSPECT, REVOKE, TOKEN, Family, Machine, RunningServer, stock_families

FROM_MEMORY = ("/.well-known/openid-configuration", "/.well-known/jwks.json", "/health/alive", "/version")
MARGIN = 1.5
"""Seconds that an answer may take beyond the database's time-out: processors are shared."""
POLL = 0.02
AT_ONCE = 4


def is_honest(answer: Answer) -> bool:
    """503 that says when to try again."""
    return answer.status == 503 and answer.headers["retry-after"].isdigit()


def is_active(answer: Answer) -> bool:
    return answer.status == 200 and bool(answer.document["active"])


class Witness:
    """Holds a token of somebody, a code that nobody has used yet, and a connection to each worker."""

    def __init__(self, nodes: list[RunningServer], machine: Machine, deadline: float) -> None:
        self.machine, self.deadline = machine, deadline
        self.lines = [each for node in nodes for each in node.connect_to_each(AT_ONCE).values()]
        """``AT_ONCE`` connections to each worker."""
        self.workers = [lines[0] for lines in self.lines]
        self.slowest = 0.0
        """The longest that anybody waited for an answer, seconds."""
        self.asked = 0
        name = f"witness-{time.monotonic_ns()}"

        async def stock(runtime: Runtime) -> list[Family]:
            return await stock_families(runtime, machine, [f"{name}-{each}" for each in range(2)])

        self.family, self.other = nodes[0].administer(stock)
        answer = self.ask(self.workers[0], "POST", TOKEN, **self.family.redeem())
        self.access_token: str = answer.document["access_token"]
        self.refresh_token: str = answer.document["refresh_token"]
        for worker in self.workers:
            assert is_active(self.introspect(worker))
            assert self.ask_token(worker).status == 200
            self.check_from_memory(worker)

    def ask(self, worker: Connection, method: str, path: str, **parts: Any) -> Answer:
        """An answer in time."""
        began = time.monotonic()
        answer = worker.ask(method, path, **parts)
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.asked += 1
        assert time.monotonic() - began < self.deadline + MARGIN, (path, answer)
        return answer

    def introspect(self, worker: Connection) -> Answer:
        return self.ask(worker, "POST", INTROSPECT, **self.family.present(self.access_token))

    def ask_token(self, worker: Connection) -> Answer:
        return self.ask(worker, "POST", TOKEN, **self.machine.ask_token())

    def is_ready(self, worker: Connection) -> bool:
        return self.ask(worker, "GET", "/health/ready").status == 200

    def write_everywhere(self) -> list[Answer]:
        """Everything that cannot be done without writing, on all workers at once."""
        return self.ask_together(
            ("POST", REVOKE, self.family.present(self.refresh_token)),
            ("POST", REVOKE, self.family.present(self.access_token)),
            ("POST", TOKEN, self.other.redeem()),
            ("POST", TOKEN, self.family.refresh(self.refresh_token)),
        )

    def ask_everywhere(self, method: str, path: str, **parts: Any) -> list[Answer]:
        """The answers of all workers to a question they are asked at once, in time."""
        return self.ask_together((method, path, parts))

    def ask_together(self, *questions: tuple[str, str, dict[str, Any]]) -> list[Answer]:
        """The answers of all workers to questions they are asked at once, in time."""
        began = time.monotonic()
        asked = [
            (connection, question)
            for lines in self.lines
            for connection, question in zip(lines, questions, strict=False)
        ]
        for connection, (method, path, parts) in asked:
            connection.send(connection.build(method, path, **parts))
        answers = [connection.receive() for connection, _ in asked]
        took = time.monotonic() - began
        self.slowest, self.asked = max(self.slowest, took), self.asked + len(answers)
        assert took < self.deadline + MARGIN, (questions, answers)
        return answers

    def check_from_memory(self, worker: Connection) -> None:
        for path in FROM_MEMORY:
            answer = self.ask(worker, "GET", path)
            assert answer.status == 200, (path, answer)
        assert self.ask(worker, "GET", "/.well-known/jwks.json").document["keys"]

    def check_recovered(self, seconds: float, *, is_code_spent: bool = False) -> float:
        """Without a restart every worker does everything again, and that is all for this witness.

        Returns after how many seconds.
        """
        began = time.monotonic()
        for worker in self.workers:
            self.wait_for(lambda at=worker: self.is_ready(at) and self.ask_token(at).status == 200, began + seconds)
        recovered = time.monotonic() - began
        revoked = self.ask(self.workers[-1], "POST", REVOKE, **self.family.present(self.refresh_token))
        assert revoked.status == 200, revoked
        for worker in self.workers:
            self.wait_for(lambda at=worker: self.introspect(at).document == {"active": False}, time.monotonic() + 1.0)
        redeemed = self.ask(self.workers[0], "POST", TOKEN, **self.other.redeem())
        assert redeemed.status == 200 or is_code_spent, redeemed
        for connection in (each for lines in self.lines for each in lines):
            connection.close()
        return recovered

    def wait_for(self, condition: Callable[[], bool], until: float) -> None:
        while not condition():
            assert time.monotonic() < until, "it did not happen in time"
            time.sleep(POLL)
