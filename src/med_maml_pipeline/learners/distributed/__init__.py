"""One piece of work on several processes that train together; results come back through files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from med_maml_pipeline.learners.distributed.errors import LaunchError
from med_maml_pipeline.learners.distributed.settings import DistributedSettings

__all__ = ["DistributedSettings", "LaunchError", "run_on_ranks"]

Item = TypeVar("Item")


def run_on_ranks(
    work: Callable[[Item], object], item: Item, settings: DistributedSettings, *, device: str, folder: Path
) -> None:
    """Calls ``work(item)`` in every process of a group, until all have finished.

    Where a process dies, all are started again, so ``work`` must go on from what it wrote to disk.

    Args:
        work: A function of a module, found by its name in the processes; its result is dropped.
        item: Its argument, sent to every process.
        settings: Launcher, number of processes, restarts.
        device: ``cpu`` (messages by Gloo) or ``cuda`` (one GPU per process, messages by NCCL).
        folder: For the bookkeeping of the launcher; on a cluster on storage that all machines share.

    Raises:
        LaunchError: Ray is not installed, or the processes failed more than ``max_restarts`` times.
    """
    if settings.launcher == "elastic":
        from med_maml_pipeline.learners.distributed.elastic import run_elastic

        run_elastic(work, item, settings, device)
    elif settings.launcher == "ray":
        from med_maml_pipeline.learners.distributed.ray_cluster import run_on_ray

        run_on_ray(work, item, settings, device, folder)
    else:
        work(item)
