"""The guard that keeps tests off the network does notice. Under it every other test runs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

ATTEMPT = """
import socket, sys
for attempt in (
    lambda: socket.getaddrinfo("index.example.org", 443),
    lambda: socket.create_connection(("192.0.2.1", 9), timeout=1),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)),
):
    try:
        attempt()
    except OSError as error:
        print(error)
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname(), timeout=1)
print("loopback is open")
"""

WORKERS = f"""
from functools import partial
from med_maml_pipeline.learners.workers import run_jobs
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.sources.worker_batches import Workers
attempt = partial(exec, {ATTEMPT!r})
with Workers(2, Place("source", "here")) as workers:
    list(workers.map(attempt, [{{}}, {{}}]))
list(run_jobs(attempt, [{{}}, {{}}], 2))
"""


def test_a_child_process_cannot_reach_out_and_is_found_out(tmp_path: Path) -> None:
    log = tmp_path / "attempts.log"
    done = subprocess.run(
        [sys.executable, "-c", ATTEMPT],
        env={**os.environ, "NETWORK_LOG": str(log)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("no network here") == 3
    assert done.stdout.endswith("loopback is open\n")
    assert len(log.read_text().splitlines()) == 3


def test_workers_that_decode_pictures_or_train_are_guarded_too(tmp_path: Path) -> None:
    log = tmp_path / "attempts.log"
    environment = {**os.environ, "NETWORK_LOG": str(log)}
    subprocess.run([sys.executable, "-c", WORKERS], env=environment, capture_output=True, check=True)
    assert len(log.read_text().splitlines()) == 3 * 4


def test_this_process_is_guarded_too() -> None:
    assert socket.socket.connect.__module__ == "network_guard.no_network"
    assert Path(os.environ["NETWORK_LOG"]).parent.is_dir()
    for path in os.environ["PYTHONPATH"].split(os.pathsep):
        assert Path(path).is_dir()


def test_telemetry_is_off() -> None:
    from med_maml_pipeline import settings

    assert os.environ["KEDRO_DISABLE_TELEMETRY"]
    assert "kedro-telemetry" in settings.DISABLE_HOOKS_FOR_PLUGINS
