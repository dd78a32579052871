"""Parameters of training by several processes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["DistributedSettings"]


class DistributedSettings(BaseModel):
    """Who starts the processes that meta-train a learner together, and what happens when one dies.

    Attributes:
        launcher: ``none``: no others. ``elastic``: processes on this machine, by PyTorch's elastic launcher.
            ``ray``: on the machines of a Ray cluster, or on this one where no address is given.
        ranks: Number of processes; each computes its part of the tasks of every meta-batch.
        max_restarts: How often dead processes are replaced before the run gives up.
        address: Of a Ray cluster that is running (``auto`` or ``host:port``); null starts one here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    launcher: Literal["none", "elastic", "ray"] = "none"
    ranks: int = Field(default=2, ge=1)
    max_restarts: int = Field(default=3, ge=0)
    address: str | None = None

    @model_validator(mode="after")
    def _address_is_of_ray(self) -> DistributedSettings:
        if self.address is not None and self.launcher != "ray":
            raise ValueError("'address' is that of a Ray cluster; set launcher to ray, or leave it out")
        return self

    @property
    def size(self) -> int:
        """Processes that train together; 1 without a launcher."""
        return 1 if self.launcher == "none" else self.ranks
