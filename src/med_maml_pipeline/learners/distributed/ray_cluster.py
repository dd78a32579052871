"""Processes on the machines of a Ray cluster, by Ray Train."""

from __future__ import annotations

import os
import secrets
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from med_maml_pipeline.learners.distributed.errors import LaunchError
from med_maml_pipeline.learners.distributed.settings import DistributedSettings

__all__ = ["run_on_ray"]

Item = TypeVar("Item")

_PASSWORD = secrets.token_hex(32)  # of this process' own clusters; Ray remembers the first it sees
_PATIENCE = 10.0  # seconds


def run_on_ray(
    work: Callable[[Item], object], item: Item, settings: DistributedSettings, device: str, folder: Path
) -> None:
    """See `run_on_ranks`. The item travels through Ray's object store, once per machine.

    Raises:
        LaunchError: Ray is not installed, or processes failed more than ``max_restarts`` times.
    """
    with _environment(settings.address):
        ray = _ray()
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer

        on_gpu = device.startswith("cuda")
        with _cluster(ray, settings):
            trainer = TorchTrainer(
                _on_rank,
                train_loop_config={"work": work, "item": ray.put(item)},
                scaling_config=ScalingConfig(num_workers=settings.ranks, use_gpu=on_gpu),
                torch_config=TorchConfig(backend="nccl" if on_gpu else "gloo"),
                run_config=RunConfig(
                    name=uuid.uuid4().hex,
                    storage_path=str(folder.resolve()),
                    failure_config=FailureConfig(max_failures=settings.max_restarts),
                ),
            )
            _fit(trainer, settings)


def _fit(trainer: Any, settings: DistributedSettings) -> None:
    from ray.train import TrainingFailedError

    try:
        trainer.fit()
    except TrainingFailedError as failure:
        raise LaunchError(
            f"meta-training on {settings.ranks} Ray workers failed more than {settings.max_restarts} times "
            f"(distributed.max_restarts): {_last_line(failure)}. The same command goes on from the last "
            "saved state."
        ) from failure


def _on_rank(config: Mapping[str, Any]) -> None:
    import ray

    from med_maml_pipeline.learners.workers import on_one_thread

    on_one_thread(config["work"], ray.get(config["item"]))


def _ray() -> Any:
    try:
        import ray
        import ray.train.torch
    except ImportError as missing:
        raise LaunchError(
            f"distributed.launcher 'ray' needs Ray Train ({missing.name} is missing): "
            "pip install 'med_maml_pipeline[distributed]', or set distributed.launcher to elastic or none"
        ) from missing
    return ray


@contextmanager
def _cluster(ray: Any, settings: DistributedSettings) -> Iterator[None]:
    """A connection to the cluster at the address, or a cluster of this machine that ends with the work."""
    if ray.is_initialized():
        yield
        return
    here: dict[str, Any] = {"num_cpus": max(settings.ranks, os.cpu_count() or 1), "include_dashboard": False}
    try:
        _knock(settings.address)
        ray.init(
            address=settings.address or "local",
            log_to_driver=False,
            logging_level="warning",
            **(here if settings.address is None else {}),
        )
    except OSError as refused:
        raise LaunchError(
            f"no Ray cluster answers at distributed.address '{settings.address}'; start one with "
            "`ray start --head`, or leave the address out to use this machine"
        ) from refused
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str | None) -> None:
    """Raises OSError where nobody listens at ``host:port``: Ray itself would try for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.removeprefix("ray://"), int(port)), timeout=_PATIENCE).close()


@contextmanager
def _environment(address: str | None) -> Iterator[None]:
    """A cluster of this machine listens on 127.0.0.1 only, with a password that is never written down."""
    here = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_TOKEN": _PASSWORD}
    wanted = here if address is None else {}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update({name: value for name, value in wanted.items() if before[name] is None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


def _last_line(failure: BaseException) -> str:
    lines = str(failure.__cause__ or failure).strip().splitlines()
    return lines[-1].strip().rstrip(".") if lines else type(failure).__name__
