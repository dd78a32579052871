"""MEDS 0.4 exports: event streams as one row per subject, read shard by shard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from med_maml_pipeline.sources.meds_codes import CodeRoles
from med_maml_pipeline.sources.meds_features import feature_kinds, feature_names, subject_features
from med_maml_pipeline.sources.meds_shards import MedsShards
from med_maml_pipeline.sources.meds_targets import subject_sites, subject_targets, target_columns
from med_maml_pipeline.sources.meds_vocabulary import MedsVocabulary
from med_maml_pipeline.sources.meds_window import in_window
from med_maml_pipeline.sources.reading import AttritionRow, Reading, TablePart, TableSchema
from med_maml_pipeline.sources.spec import MedsSource

__all__ = ["read_meds"]

_TABLE = "main"


def read_meds(name: str, spec: MedsSource, root: Path) -> Reading:
    """Checks the shards and counts their codes in a first pass, then gives one part per shard.

    Inputs summarise what was recorded in the first ``window_days`` of each subject; no condition or outcome
    code is ever one. Memory holds one shard, whatever their number. ``text_value`` is never read.

    Reference: Medical Event Data Standard 0.4, https://medical-event-data-standard.github.io

    Args:
        name: Name of the source.
        spec: Which codes are targets, outcomes and sites, and the window.
        root: Folder that ``spec.path`` is relative to.

    Raises:
        DataError: no shard, a wrong column type, unsorted times, events before birth, a subject in pieces, no
            input code, no target, an outcome that never occurs after the window.
    """
    shards = MedsShards.find(root, spec.path, source=name)
    roles = CodeRoles(spec)
    vocabulary = MedsVocabulary.count(shards.checked(), roles)
    _require_use(vocabulary, shards)
    schema = TableSchema(
        _TABLE, feature_names(vocabulary), feature_kinds(vocabulary), target_columns(vocabulary, roles)
    )
    attrition = [
        AttritionRow(_TABLE, "subjects read", vocabulary.subjects + vocabulary.untimed, 0),
        AttritionRow(_TABLE, "no timed event", vocabulary.subjects, vocabulary.untimed),
    ]
    parts = _parts(shards, vocabulary, roles)
    return Reading((schema,), parts, attrition, group_namespace=name, groups_span_parts=False)


def _parts(shards: MedsShards, vocabulary: MedsVocabulary, roles: CodeRoles) -> Iterator[TablePart]:
    for shard in shards:
        events = in_window(shard, roles.spec.window_days)
        subjects = events.select(pl.col("subject_id").unique(maintain_order=True)).with_row_index("row")
        if subjects.is_empty():
            continue
        yield TablePart(
            _TABLE,
            x=subject_features(events, subjects, vocabulary),
            y=subject_targets(events, subjects, vocabulary, roles),
            group_ids=np.array([str(subject) for subject in subjects["subject_id"]], dtype=object),
            strata=subject_sites(events, subjects, roles) if vocabulary.has_sites else None,
        )


def _require_use(vocabulary: MedsVocabulary, shards: MedsShards) -> None:
    if not vocabulary.inputs:
        raise shards.place.error(
            f"no input code is shared by enough of the {vocabulary.subjects} subjects within the window",
            remedy="lower 'min_category_count' or widen 'window_days'",
        )
    if not vocabulary.conditions and not vocabulary.outcome_subjects:
        raise shards.place.error(
            f"no code matches 'condition_codes' in enough of the {vocabulary.subjects} subjects",
            expected="at least one target",
            remedy="correct the patterns, lower 'min_category_count' or declare 'outcomes'",
        )
    never = [name for name, count in vocabulary.outcome_subjects.items() if not count]
    if never:
        raise shards.place.error(
            f"no subject has an event of outcome '{never[0]}' after the observation window",
            expected="outcome codes after the window",
            remedy="correct the pattern of the outcome or shorten 'window_days'",
        )
