"""The pages about relying parties of others: their commands are run here, their configuration in
``tests/e2e/test_mod_auth_openidc.py`` and ``tests/e2e/test_oidc_client_ts.py``."""

from __future__ import annotations

import json

import pytest

from .markdown import DOCS, read_blocks


@pytest.mark.parametrize(("page", "has_secret"), [("apache.md", True), ("single-page-applications.md", False)])
def test_the_client_of_the_page_can_be_registered(open_terminal, page, has_secret):
    [command] = [block.text for block in read_blocks(DOCS / "how-to" / page) if block.language == "bash"]
    client = json.loads(open_terminal().run(command))
    assert client["client_id"] == command.partition("--id ")[2].split()[0]
    assert ("client_secret" in client) is has_secret
