"""Processes on one machine, by PyTorch's elastic launcher."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from med_maml_pipeline.learners.distributed.errors import LaunchError
from med_maml_pipeline.learners.distributed.settings import DistributedSettings
from med_maml_pipeline.learners.workers import on_one_thread

__all__ = ["run_elastic"]

Item = TypeVar("Item")


def run_elastic(
    work: Callable[[Item], object], item: Item, settings: DistributedSettings, device: str
) -> None:
    """See `run_on_ranks`. The processes meet on this machine alone.

    Raises:
        LaunchError: processes failed more than ``max_restarts`` times.
        KeyboardInterrupt: on Ctrl-C or SIGTERM.
    """
    try:
        with _own_signals(), tempfile.TemporaryDirectory(prefix="elastic-") as logs:
            elastic_launch(_config(settings, logs), _on_rank)(work, item, device)
    except ChildFailedError as failure:
        raise LaunchError(
            f"meta-training on {settings.ranks} processes failed more than {settings.max_restarts} times "
            "(distributed.max_restarts); the messages above say why. The same command goes on from the last "
            "saved state."
        ) from failure
    except SignalException:
        raise KeyboardInterrupt from None


def _config(settings: DistributedSettings, logs: str) -> LaunchConfig:
    return LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=settings.ranks,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=settings.max_restarts,
        logs_specs=DefaultLogsSpecs(log_dir=logs),
    )


def _on_rank(work: Callable[[Item], object], item: Item, device: str) -> None:
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group(
        "nccl" if on_gpu else "gloo",
        store=_meeting_point(),
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
    )
    try:
        on_one_thread(work, item)
    finally:
        dist.destroy_process_group()


def _meeting_point() -> dist.Store:
    """The launcher's store, with a place for each attempt: replaced processes left their addresses in it."""
    store = dist.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
    return dist.PrefixStore(f"attempt-{os.environ['TORCHELASTIC_RESTART_COUNT']}", store)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Puts back the signal handlers that the launcher replaces for good."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    before = {name: signal.getsignal(name) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
