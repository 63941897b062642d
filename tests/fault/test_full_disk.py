"""The disk is full: nothing that writes is confirmed, what is in memory is answered, and with space all goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from grantway.testing.running_server import INTROSPECT, TOKEN, RunningServer, stock_client, stock_families

from .witness import Witness, is_active, is_honest

SIZE = 8 * 1024 * 1024
RECOVERY = 5.0
TIMEOUT = 1.0
FAMILIES = 800


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for a small database."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0 and os.environ.get("CI"):
        pytest.fail(f"A file system cannot be mounted ({mounted.stderr.strip()}). CI is set, so this is a failure.")
    if mounted.returncode != 0:
        pytest.skip(f"A file system cannot be mounted: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Takes all the room there is."""
    file = folder / "filler"
    with file.open("wb", buffering=0) as handle:
        try:
            while True:
                handle.write(b"\0" * 4096)
        except OSError:
            return file


@pytest.mark.threat("R7")
def test_on_a_full_disk_nothing_that_writes_succeeds_and_the_rest_goes_on(small_disk: Path, tmp_path: Path) -> None:
    folder = tmp_path / "server"  # with the log: that disk is not full
    folder.mkdir()
    url = f"sqlite:///{small_disk / 'grantway.db'}"
    server = RunningServer(folder, workers=2, settings={"database.url": url, "database.timeout": int(TIMEOUT)})
    server.start()
    machine = server.administer(lambda runtime: stock_client(runtime, "machine"))
    names = [f"person-{number}" for number in range(FAMILIES)]
    families = server.administer(lambda runtime: stock_families(runtime, machine, names))
    witness = Witness([server], machine, TIMEOUT)
    filler = fill(small_disk)
    worker = witness.workers[0]
    redeemed, refused = [], None
    while refused is None:  # there is some room left inside the files of the database
        family = families.pop()
        answer = witness.ask(worker, "POST", TOKEN, **family.redeem())
        if answer.status == 200:
            redeemed.append((family, answer.document["access_token"]))
        else:
            assert is_honest(answer), answer
            refused = family
    assert all(is_honest(answer) for answer in witness.write_everywhere())
    for worker in witness.workers:
        assert is_active(witness.introspect(worker))
        assert witness.ask_token(worker).status == 200
        witness.check_from_memory(worker)
    for family, token in redeemed:  # what was confirmed is there
        assert is_active(worker.ask("POST", INTROSPECT, **family.present(token)))
    filler.unlink()
    answer = witness.ask(worker, "POST", TOKEN, **refused.redeem())  # and what was not has not happened
    assert answer.status == 200, answer
    recovered = witness.check_recovered(RECOVERY)
    assert server.stop() == 0
    assert "Traceback" not in server.read_log(), server.read_log()[-4000:]
    print(f"{len(redeemed)} codes redeemed to the last byte; {witness.asked} answers, recovered in {recovered:.2f} s")
