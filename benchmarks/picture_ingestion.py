"""Peak memory and speed of reading a picture folder, by number of pictures, beside a plain Pillow loop.

Usage: python benchmarks/picture_ingestion.py [--pictures 10000 30000 100000] [--with-features 3000]
           [--size 32] [--batch 512] [--workers 2] [--folder DIR]

Each reading runs in a process of its own; its peak is the largest sum of resident memory of that process and
its workers, sampled every 20 ms (pages they share are counted in each). The loop opens, converts, resizes and
keeps nothing: one process, one thread, over the same files in the same run.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from PIL import Image

SIDE = 64


class Measured(NamedTuple):
    """Peak resident memory of a process and its children, and its duration."""

    mebibytes: float
    seconds: float


def make_pictures(count: int, folder: Path) -> None:
    """Writes JPEG and PNG in turn, 64 × 64 RGB, no two alike, in folders of 1,000, and ``labels.csv``."""
    rng = np.random.default_rng(0)
    bases = [np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(64)]
    rows = ["path,label"]
    for i in range(count):
        picture = bases[i % 64].copy()
        picture[:2, :12] = np.frombuffer(i.to_bytes(3, "big"), dtype=np.uint8).repeat(8).reshape(2, 12, 1)
        stream = BytesIO()
        Image.fromarray(picture).save(stream, "PNG" if i % 2 else "JPEG", compress_level=1)
        name = f"images/{i // 1000}/{i}.{'png' if i % 2 else 'jpg'}"
        if i % 1000 == 0:
            (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(stream.getvalue() + i.to_bytes(4, "big"))  # a tail that readers skip
        rows.append(f"{name},{'ab'[i % 3 % 2]}")
    (folder / "labels.csv").write_text("\n".join(rows))


def ingest(count: int, folder: str, options: dict[str, Any]) -> Measured:
    """Reads all parts of the folder with `read_pictures`, keeping none."""
    from med_maml_pipeline.sources.picture_folder import read_pictures
    from med_maml_pipeline.sources.spec import PicturesSource

    task = {"family": "class", "kind": "target"}
    entry = {"format": "pictures", "path": ".", "columns": {"target": "label"}, "unlisted": "ignore"}
    spec = PicturesSource.model_validate(
        {**entry, "tasks": [task], "options": options, "labels": f"{count}.csv"}
    )
    with _Peak() as peak:
        start = time.perf_counter()
        read = sum(len(part.y) for part in read_pictures("pictures", spec, Path(folder)).parts)
        seconds = time.perf_counter() - start
    if read != count:
        raise RuntimeError(f"{read} of {count} pictures were read")
    return Measured(peak.mebibytes, seconds)


def pillow_loop(count: int, folder: str, options: dict[str, Any]) -> Measured:
    """What one would write in a notebook, without checks, duplicates or features."""
    size = options["size"]
    paths = [line.split(",")[0] for line in (Path(folder) / f"{count}.csv").read_text().splitlines()[1:]]
    with _Peak() as peak:
        start = time.perf_counter()
        for path in paths:
            with Image.open(Path(folder) / path) as image:
                np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
        seconds = time.perf_counter() - start
    return Measured(peak.mebibytes, seconds)


class _Peak:
    """Samples the resident memory of this process and its children in a thread."""

    mebibytes = 0.0

    def __enter__(self) -> _Peak:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(0.02):
            total = 0
            for one in (process, *process.children(recursive=True)):
                try:
                    total += one.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.mebibytes = max(self.mebibytes, total / 2**20)


def _alone(work: Callable[..., Measured], *arguments: Any) -> Measured:
    context = multiprocessing.get_context("spawn")  # not daemonic: it starts workers of its own
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, work, arguments))
    process.start()
    sender.close()
    measured: Measured = receiver.recv()
    process.join()
    return measured


def _send(sender: Any, work: Callable[..., Measured], arguments: tuple[Any, ...]) -> None:
    sender.send(work(*arguments))


def _report(what: str, count: int, measured: Measured, loop: Measured) -> None:
    rate, ratio = count / measured.seconds, loop.seconds / measured.seconds
    print(
        f"{what:14}{count:10,}{measured.mebibytes:10.0f}{measured.seconds:10.1f}{rate:13,.0f}{ratio:13.2f}",
        flush=True,
    )


def main() -> None:
    """Makes the pictures once, measures every size, and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, nargs="+", default=[10_000, 30_000, 100_000], metavar="N")
    parser.add_argument("--with-features", type=int, nargs="*", default=[3_000], metavar="N")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", help="where to write the pictures meanwhile (100,000: about 1 GB)")
    asked = parser.parse_args()
    options = {"size": asked.size, "batch": asked.batch, "workers": asked.workers, "features": []}
    featured = {**options, "features": ["hog", "colour", "texture"]}
    runs = [(n, "no features", options) for n in asked.pictures]
    runs += [(n, "features", featured) for n in asked.with_features]
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        make_pictures(max(n for n, _, _ in runs), Path(folder))
        lines = (Path(folder) / "labels.csv").read_text().splitlines()
        print(f"{'':14}{'pictures':>10}{'peak MiB':>10}{'seconds':>10}{'pictures/s':>13}{'loop = 1':>13}")
        for count, what, chosen in runs:
            (Path(folder) / f"{count}.csv").write_text("\n".join(lines[: count + 1]))
            loop = _alone(pillow_loop, count, folder, chosen)
            _report("Pillow loop", count, loop, loop)
            _report(what, count, _alone(ingest, count, folder, chosen), loop)


if __name__ == "__main__":
    main()
