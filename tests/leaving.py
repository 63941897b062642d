"""People who log in at several applications and leave, and what these are told of it."""

from __future__ import annotations

import contextlib

from tests.listener import Listener

from grantway.events import LogoutNotified
from grantway.testing.in_process import InProcessServer


@contextlib.contextmanager
def start_all():
    """Starts servers and applications that listen, and stops them."""
    running, listeners = [], []

    def start(*statuses, **settings):
        if not settings:
            listeners.append(Listener(*statuses))
            return listeners[-1]
        defaults = {"egress.insecure_private_networks": ("127.0.0.0/8",), "egress.timeout": 1}
        named = {f"logout.{name}": value for name, value in settings.items()}
        running.append(InProcessServer(defaults | named))
        return running[-1]

    try:
        yield start
    finally:
        for listener in listeners:
            listener.close()
        for server in running:
            server.stop()


def register(server, listener, **metadata):
    return server.register_client(backchannel_logout_uri=listener.uri, **metadata)


def enter(server, person, *clients):
    """(browser, tokens of each client) of somebody who has logged in."""
    browser = server.browser()
    codes = [browser.authorize(client, username=person.username)["code"] for client in clients]
    return browser, [server.redeem(client, code).json() for client, code in zip(clients, codes, strict=True)]


def leave(browser, tokens):
    return browser.open(f"/oauth2/sessions/logout?id_token_hint={tokens['id_token']}")


def deliver(server):
    """Lets the notices that are due go out, to their end."""
    server.run(server.server.notices.deliver())
    server.run(server.server.notices.settle())


def list_tasks(server, person):
    """Notices of the person's sessions that are still to be delivered, however late."""
    tasks = server.run(server.runtime.store.list_due_tasks("logout", now=server.clock.now() + 20 * 3_600_000))
    return [task for task in tasks if task.document["subject"] == person.subject]


def told(server, person, kind=LogoutNotified):
    return [event for event in server.events.of(kind) if event.subject == person.subject]
