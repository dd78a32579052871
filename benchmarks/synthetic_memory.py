"""Peak memory and speed of the synthetic hospital and of ingestion reading it, by number of patients.

Usage: python benchmarks/synthetic_memory.py [--patients 8000 32000 128000] [--generate-only] [--folder DIR]

Each measurement runs in a process of its own, so that peaks do not mix. The slope is least squares over all
sizes; where memory does not grow with the number of patients it is zero up to the allocator's noise. Start
from several shards: the first two still fill the allocator's pools.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

SEED = 0


class Measured(NamedTuple):
    """Peak resident memory and duration of one process."""

    mebibytes: float
    seconds: float


def generate(patients: int, folder: str) -> Measured:
    """Writes the record of that many patients under the folder."""
    import pyarrow.parquet as pq

    from med_maml_pipeline.synthetic import SyntheticHospitalSettings, write_ehr

    start = time.perf_counter()
    for path, content in write_ehr(SyntheticHospitalSettings(n_patients=patients), SEED):
        if path.startswith("data/"):
            target = Path(folder) / path
            target.parent.mkdir(exist_ok=True, parents=True)
            pq.write_table(content, target)
    return Measured(_peak(), time.perf_counter() - start)


def ingest(patients: int, folder: str) -> Measured:
    """Ingests the record as the pipeline does: read, number and hash the groups, store the examples."""
    from kedro.io import Version

    from med_maml_pipeline.datasets import SnapshotDataset
    from med_maml_pipeline.identifiers import pseudonyms
    from med_maml_pipeline.sources.ingest import Ingestion
    from med_maml_pipeline.sources.spec import MedsSource, TaskFamilySpec

    start = time.perf_counter()
    spec = MedsSource(format="meds", path=".", tasks=(TaskFamilySpec(family="condition", kind="target"),))
    examples = SnapshotDataset(str(Path(folder) / "examples"), version=Version(None, "benchmark"))
    examples.save(
        Ingestion(
            {"synthetic": spec}, {"synthetic": Path(folder)}, lambda ids, name: pseudonyms(ids, b"key", name)
        )
    )
    stored = examples.load().read("synthetic/main/schema.json")["rows"]
    if stored != patients:
        raise RuntimeError(f"{stored} of {patients} patients were stored")
    return Measured(_peak(), time.perf_counter() - start)


def _peak() -> float:
    """Peak resident memory of this process in MiB; Linux counts in KiB, macOS in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _alone(work: Callable[[int, str], Measured], patients: int, folder: str) -> Measured:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, (patients, folder))


def _slope(sizes: list[int], peaks: list[float]) -> float:
    """Least-squares slope in MiB per 1,000 patients."""
    centre, level = sum(sizes) / len(sizes), sum(peaks) / len(peaks)
    spread = sum((size - centre) ** 2 for size in sizes)
    return 1000 * sum((s - centre) * (p - level) for s, p in zip(sizes, peaks, strict=True)) / spread


def main() -> None:
    """Measures every size and prints a table and the slopes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patients", type=int, nargs="+", default=[8_000, 32_000, 128_000], metavar="N")
    parser.add_argument("--generate-only", action="store_true", help="leave ingestion out")
    parser.add_argument(
        "--folder", help="where to write the records meanwhile (a million patients: about 2 GB)"
    )
    options = parser.parse_args()
    stages = {"generate": generate} if options.generate_only else {"generate": generate, "ingest": ingest}
    peaks: dict[str, list[float]] = {name: [] for name in stages}
    print(f"{'stage':10}{'patients':>12}{'peak MiB':>12}{'seconds':>10}{'patients/s':>12}")
    for patients in options.patients:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            for name, work in stages.items():
                measured = _alone(work, patients, folder)
                peaks[name].append(measured.mebibytes)
                rate = patients / measured.seconds
                print(
                    f"{name:10}{patients:12,}{measured.mebibytes:12.1f}{measured.seconds:10.1f}{rate:12,.0f}"
                )
    if len(set(options.patients)) > 1:
        for name, values in peaks.items():
            print(f"slope of {name}: {_slope(options.patients, values):.4f} MiB per 1,000 patients")


if __name__ == "__main__":
    main()
