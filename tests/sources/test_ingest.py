"""Ingestion: numbering, pseudonyms, streaming, and the way back to examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.identifiers import pseudonyms
from med_maml_pipeline.sources import READERS, ingest
from med_maml_pipeline.sources.examples import load_examples
from med_maml_pipeline.sources.ingest import Ingestion
from med_maml_pipeline.sources.reading import AttritionRow, Reading, TablePart, TableSchema
from med_maml_pipeline.sources.spec import SmilesSource, SourceSpec
from med_maml_pipeline.tasks.types import FeatureKind, TargetColumn, TargetType

SCHEMA = TableSchema(
    "main",
    ("a", "b"),
    (FeatureKind.NUMERIC, FeatureKind.COUNT),
    (TargetColumn("sick", TargetType.BINARY, 2, "sick"),),
)


def _part(ids: list[str], strata: list[str] | None = None) -> TablePart:
    n = len(ids)
    x = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    x[0, 0] = np.nan
    y = np.array([[0.0] if i % 2 else [np.nan] for i in range(n)], dtype=np.float32)
    return TablePart("main", x, y, np.array(ids, dtype=object), None if strata is None else np.array(strata))


def _reading(parts: Iterator[TablePart], *, spans: bool = True) -> Reading:
    return Reading((SCHEMA,), parts, [AttritionRow("main", "read", 3, 1)], "own", spans)


class _Store:
    """A snapshot in memory."""

    def __init__(self, files: dict[str, Any]) -> None:
        self.files = files

    def names(self, prefix: str = "") -> list[str]:
        return [name for name in self.files if name.startswith(prefix)]

    def read(self, name: str) -> Any:
        return self.files[name]


@pytest.fixture
def ingestion(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ingestion]:
    def build(readings: dict[str, Reading], namespaces: dict[str, str] | None = None, key: bytes = b"k"):
        monkeypatch.setattr(ingest, "open_source", lambda name, spec, root: readings[name])
        specs = {
            name: SmilesSource(
                format="smiles",
                path="x",
                tasks=({"family": "f", "kind": "target"},),
                group_namespace=(namespaces or {}).get(name),
            )
            for name in readings
        }
        return Ingestion(specs, dict.fromkeys(specs, Path()), lambda ids, ns: pseudonyms(ids, key, ns))

    return build


def test_examples_come_back_as_they_went_in(ingestion):
    part = _part(["p", "q", "p"], ["A", "B", "A"])
    examples = load_examples(_Store(dict(ingestion({"s": _reading(iter([part]))}))))["s/main"]
    np.testing.assert_array_equal(examples.inputs.x, part.x)
    np.testing.assert_array_equal(examples.y, part.y)
    assert examples.groups.tolist() == [0, 1, 0]
    assert examples.strata is not None
    assert examples.strata.tolist() == ["A", "B", "A"]
    assert examples.targets == SCHEMA.targets
    assert examples.inputs.kinds == SCHEMA.kinds


def test_group_numbers_do_not_depend_on_the_key_but_hashes_do(ingestion):
    first, second = (
        dict(ingestion({"s": _reading(iter([_part(["p", "q"])]))}, key=key)) for key in (b"one", b"two")
    )
    name = "s/main/part-00000.parquet"
    assert first[name]["group"].equals(second[name]["group"])
    assert not first[name]["group_key"].equals(second[name]["group_key"])
    assert "p" not in first[name]["group_key"].to_pylist()


def test_sources_of_one_namespace_share_groups_and_others_do_not(ingestion):
    readings = {name: _reading(iter([_part(["p", "q"])])) for name in ("one", "two", "three")}
    files = dict(ingestion(readings, {"one": "molecule", "two": "molecule"}))
    one, two, three = (files[f"{name}/main/part-00000.parquet"]["group"].to_pylist() for name in readings)
    assert one == two
    assert not set(one) & set(three)


def test_groups_are_remembered_over_parts_unless_the_format_promises_otherwise(ingestion):
    files = dict(ingestion({"s": _reading(iter([_part(["p", "q"]), _part(["q", "r"])]))}))
    assert files["s/main/part-00001.parquet"]["group"].to_pylist() == [1, 2]
    files = dict(ingestion({"s": _reading(iter([_part(["p", "q"]), _part(["r", "s"])]), spans=False)}))
    assert files["s/main/part-00001.parquet"]["group"].to_pylist() == [2, 3]


def test_one_part_is_asked_for_at_a_time(ingestion):
    asked: list[int] = []

    def parts() -> Iterator[TablePart]:
        for number in range(3):
            asked.append(number)
            yield _part([f"p{number}"])

    files = iter(ingestion({"s": _reading(parts())}))
    next(files)
    assert asked == [0]


def test_a_source_without_a_row_is_an_error(ingestion):
    with pytest.raises(DataError, match="source 's', table 'main': no row is left after reading"):
        list(ingestion({"s": _reading(iter([]))}))


def test_every_format_of_a_source_has_a_reader_that_can_be_imported():
    formats = {
        get_args(kind.model_fields["format"].annotation)[0] for kind in get_args(get_args(SourceSpec)[0])
    }
    assert set(READERS) == formats
    for module, function in (reader.split(":") for reader in READERS.values()):
        assert callable(getattr(import_module(f"med_maml_pipeline.sources.{module}"), function))
