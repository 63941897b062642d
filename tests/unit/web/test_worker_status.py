"""What workers tell each other: each seen, each for itself, and nothing lost that one counted before its end."""

from __future__ import annotations

import os

import msgspec
import pytest

from grantway.web.metrics import render_metrics
from grantway.web.worker_status import StatusBoard, WorkerStatus, retire_worker

KEY = ("grantway_tokens_issued", "client_credentials")


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def post(folder, worker, pid, count, at=1_700_000_000_000):
    """What another process would have written."""
    status = WorkerStatus(worker=worker, pid=pid, at=at, counts=[(KEY, count)], grid={"position": count})
    (folder / f"{pid}.json").write_bytes(msgspec.json.encode(status))


def build_board(folder, count=0):
    board = StatusBoard(str(folder), 0)
    board.counts[KEY] = count
    return board


def test_the_one_that_is_asked_speaks_for_all(folder):
    post(folder, 1, 101, 5)
    post(folder, 2, 102, 7)
    board = build_board(folder, 1)
    board.post()
    board.counts[KEY] = 3
    workers = board.list_workers()
    assert [(status.worker, status.pid) for status in workers] == [(0, os.getpid()), (1, 101), (2, 102)]
    assert board.sum_counts(workers)[KEY] == 15, "its own count is the present one"
    text = render_metrics(board).decode()
    assert 'grantway_tokens_issued_total{grant_type="client_credentials"} 15.0' in text
    assert 'grantway_feed_position{worker="1"} 5.0' in text
    assert 'grantway_feed_position{worker="2"} 7.0' in text


def test_a_worker_that_hangs_shows_by_its_age(folder):
    post(folder, 1, 101, 5, at=1_000)
    text = render_metrics(build_board(folder)).decode()
    (line,) = [line for line in text.splitlines() if line.startswith('grantway_worker_status_age_seconds{worker="1"}')]
    assert float(line.split()[1]) > 1e6


def test_what_a_worker_counted_stays_counted_once_it_is_gone(folder):
    for pid in range(101, 131):
        post(folder, 1, pid, 2)
        retire_worker(str(folder), pid)
    retire_worker(str(folder), 101)
    post(folder, 1, 200, 1)
    board = build_board(folder, 4)
    workers = board.list_workers()
    assert [status.pid for status in workers] == [os.getpid(), 200]
    assert board.sum_counts(workers)[KEY] == 30 * 2 + 1 + 4
    assert sorted(file.name for file in folder.iterdir()) == ["200.json", "gone.json"]


def test_a_file_that_is_no_status_is_passed_over(folder):
    post(folder, 1, 101, 5)
    (folder / "102.json").write_bytes(b"{")
    (folder / "103.json").write_bytes(b'{"worker": "x"}')
    (folder / "gone.json").write_bytes(b"")
    board = build_board(folder)
    assert [status.pid for status in board.list_workers()] == [os.getpid(), 101]
    retire_worker(str(folder), 102)


@pytest.mark.threat("R7")
def test_a_folder_that_is_gone_stops_nothing(folder):
    board = build_board(folder / "gone", 2)
    board.post()
    assert board.sum_counts(board.list_workers())[KEY] == 2
    retire_worker(str(folder / "gone"), 1)
