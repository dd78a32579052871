"""Chapters of ICD-9-CM, so that hundreds of diagnosis codes become nineteen levels.

Reference: International Classification of Diseases, 9th revision, Clinical Modification, tabular list
(National Center for Health Statistics).
"""

from __future__ import annotations

import re
from bisect import bisect_right

__all__ = ["icd9_chapter"]

_CHAPTERS = (
    (1, "infections"),
    (140, "neoplasms"),
    (240, "endocrine"),
    (280, "blood"),
    (290, "mental"),
    (320, "nervous"),
    (390, "circulatory"),
    (460, "respiratory"),
    (520, "digestive"),
    (580, "genitourinary"),
    (630, "pregnancy"),
    (680, "skin"),
    (710, "musculoskeletal"),
    (740, "congenital"),
    (760, "perinatal"),
    (780, "symptoms"),
    (800, "injury"),
)
_STARTS = [start for start, _ in _CHAPTERS]
_CODE = re.compile(r"(\d{1,3})(?:\.\d{0,2})?|([VE])\d{1,4}(?:\.\d{0,2})?", re.IGNORECASE)


def icd9_chapter(code: str) -> str | None:
    """Chapter of a code with its point (``250.83``, ``V58``, ``E909``), or None where it is no ICD-9-CM code.

    A point is needed where a code has decimals: ``25083`` is refused rather than guessed.
    """
    match = _CODE.fullmatch(code)
    if match is None:
        return None
    if match[2]:
        return "supplementary factors" if match[2].upper() == "V" else "external causes"
    number = int(match[1])
    return _CHAPTERS[bisect_right(_STARTS, number) - 1][1] if number else None
