"""Removes old versions of datasets: ``python -m med_maml_pipeline.retention --keep 3``."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

__all__ = ["OldVersion", "main", "old_versions"]

_VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")  # Kedro's time stamp


@dataclass(frozen=True)
class OldVersion:
    """A version that may go: its folder and its size in bytes."""

    folder: Path
    size: int


def old_versions(data: Path, keep: int) -> list[OldVersion]:
    """Every version but the newest ``keep`` of each dataset below ``data``, oldest first per dataset.

    Args:
        data: The data folder. Only folders ``<name>/<version>/<name>`` whose version is a time stamp of Kedro
            are considered; whatever else lies there is left alone.
        keep: How many to keep, at least one.
    """
    found: defaultdict[Path, list[Path]] = defaultdict(list)
    for folder in _version_folders(data):
        found[folder.parent].append(folder)
    return [
        OldVersion(folder, sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))
        for dataset in sorted(found)
        for folder in sorted(found[dataset])[:-keep]
    ]


@click.command()
@click.option(
    "--keep", type=click.IntRange(min=1), required=True, help="Newest versions to keep per dataset."
)
@click.option("--data", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path("data"))
@click.option("--dry-run", is_flag=True, help="Only print what would be freed.")
def main(keep: int, data: Path, dry_run: bool) -> None:
    """Removes all but the newest versions of every dataset and prints what that frees."""
    old = old_versions(data, keep)
    for version in old:
        click.echo(f"{version.size / 2**20:10.1f} MiB  {version.folder.relative_to(data).as_posix()}")
        if not dry_run:
            shutil.rmtree(version.folder)
    total = sum(version.size for version in old) / 2**20
    click.echo(f"{total:10.1f} MiB  {'would be freed' if dry_run else 'freed'}, {len(old)} versions")


def _version_folders(data: Path) -> Iterator[Path]:
    for folder in data.rglob("*Z"):
        if (
            _VERSION.fullmatch(folder.name)
            and (folder / folder.parent.name).exists()
            and not folder.is_symlink()
        ):
            yield folder


if __name__ == "__main__":
    main()
