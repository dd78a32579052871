"""Event columns of one shard, and how they become a MEDS table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["MICROSECONDS_PER_DAY", "STATIC", "Events", "concatenate", "take", "to_meds"]

MICROSECONDS_PER_DAY = 86_400_000_000
STATIC = np.iinfo(np.int64).min
"""Stands for "no time": a static event. Sorts before every time."""

_MINUTE = 60_000_000

_SCHEMA = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("time", pa.timestamp("us")),
        pa.field("code", pa.string(), nullable=False),
        pa.field("numeric_value", pa.float32()),
        pa.field("text_value", pa.large_string()),
    ]
)


@dataclass(frozen=True)
class Events:
    """E events. Code and text are numbers into vocabularies; -1 is no text, NaN no value.

    Attributes:
        patient: ``[E]`` row of the patient within the shard.
        time: ``[E]`` microseconds since 1970-01-01, or ``STATIC``.
        code: ``[E]`` number of the code.
        value: ``[E]``.
        text: ``[E]``.
    """

    patient: NDArray[np.int64]
    time: NDArray[np.int64]
    code: NDArray[np.int64]
    value: NDArray[np.float64]
    text: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        patient: NDArray[np.int64],
        time: NDArray[np.int64] | NDArray[np.float64],
        code: NDArray[np.int64] | int,
        value: NDArray[np.float64] | None = None,
        text: NDArray[np.int64] | None = None,
    ) -> Events:
        """Events with defaults filled in. Times given as float are days since 1970-01-01, cut to minutes."""
        n = len(patient)
        if time.dtype.kind == "f":
            time = np.floor(time * 1440.0).astype(np.int64) * _MINUTE
        return cls(
            patient=patient,
            time=time.astype(np.int64),
            code=np.broadcast_to(np.asarray(code, dtype=np.int64), (n,)),
            value=np.full(n, np.nan) if value is None else value,
            text=np.full(n, -1, dtype=np.int64) if text is None else text,
        )

    def __len__(self) -> int:
        return len(self.patient)


def concatenate(blocks: Sequence[Events]) -> Events:
    """All events of the blocks, in order."""
    return Events(
        *(np.concatenate([getattr(block, name) for block in blocks]) for name in Events.__dataclass_fields__)
    )


def take(events: Events, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Events:
    """The events that a mask or row numbers choose, in that order."""
    return Events(*(getattr(events, name)[chosen] for name in Events.__dataclass_fields__))


def to_meds(
    events: Events, subject_id: NDArray[np.int64], codes: Sequence[str], texts: Sequence[str]
) -> pa.Table:
    """Sorts events by subject and time and gives the MEDS 0.4 data table.

    Events of the same subject and minute keep their order. Subjects are contiguous; static events, with
    a null time, come first.
    """
    order = np.lexsort((events.time, events.patient))
    ordered = take(events, order)
    time = pa.array(ordered.time, mask=ordered.time == STATIC).cast(pa.timestamp("us"))
    code = pa.DictionaryArray.from_arrays(pa.array(ordered.code, pa.int32()), pa.array(codes, pa.string()))
    text = pa.DictionaryArray.from_arrays(
        pa.array(ordered.text, pa.int32(), mask=ordered.text < 0), pa.array(texts, pa.large_string())
    )
    value = pa.array(ordered.value.astype(np.float32), mask=np.isnan(ordered.value))
    columns = [
        pa.array(subject_id[ordered.patient]),
        time,
        code.cast(pa.string()),
        value,
        text.cast(pa.large_string()),
    ]
    return pa.Table.from_arrays(columns, schema=_SCHEMA)
