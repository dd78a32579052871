"""A cluster of this machine: a killed worker is replaced, and Ray stays at home."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from pathlib import Path

import pytest
import torch
from ranked_training import Training, assert_same_bytes, small_problem, train

from med_maml_pipeline.learners.distributed import DistributedSettings, LaunchError, run_on_ranks

torch.set_num_threads(1)

RAY = DistributedSettings(launcher="ray", ranks=2, max_restarts=1)
SETTINGS = {"steps": 6, "hidden": (8, 8), "inner_steps": 2, "meta_batch": 5}
# Ray's head process asks whether it runs in a cloud, telemetry or not; nothing is told.
METADATA = {"getaddrinfo of '169.254.169.254'", "getaddrinfo of 'metadata.google.internal'"}

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed (extra 'distributed')"
)


@pytest.fixture
def ray_attempts(tmp_path, monkeypatch) -> Path:
    """Where the processes of the cluster, which find `train` here, note that they looked elsewhere."""
    log, here = tmp_path / "ray-network.log", str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ["PYTHONPATH"]]))
    monkeypatch.setenv("NETWORK_LOG", str(log))
    return log


@needs_ray
@pytest.mark.slow
def test_a_killed_ray_worker_is_replaced_and_ends_with_the_same_bytes(tmp_path, ray_attempts):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    elastic = DistributedSettings(launcher="elastic", ranks=2, max_restarts=0)
    run_on_ranks(
        train, Training("maml", small_problem(), SETTINGS, whole), elastic, device="cpu", folder=tmp_path
    )
    training = Training("maml", small_problem(), SETTINGS, broken, killed=(1, 3))
    home = set(Path.home().glob(".ray/*"))
    run_on_ranks(train, training, RAY, device="cpu", folder=tmp_path / "ray")
    assert (broken / "killed").exists()
    assert_same_bytes(whole, broken)
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert "RAY_AUTH_TOKEN" not in os.environ
    assert set(Path.home().glob(".ray/*")) == home
    attempts = ray_attempts.read_text().splitlines() if ray_attempts.exists() else []
    assert set(attempts) <= METADATA


@needs_ray
def test_an_address_where_no_cluster_listens_is_named_at_once(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    settings = RAY.model_copy(update={"address": address})
    with pytest.raises(LaunchError, match=f"no Ray cluster answers at distributed.address '{address}'"):
        run_on_ranks(train, None, settings, device="cpu", folder=tmp_path)


def test_without_ray_the_error_names_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(LaunchError, match=r"pip install 'med_maml_pipeline\[distributed\]'"):
        run_on_ranks(train, None, RAY, device="cpu", folder=tmp_path)
