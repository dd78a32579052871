"""What each MEDS code is for: an input, a condition to predict, an outcome, a site, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property

from meds import birth_code, death_code

from med_maml_pipeline.sources.spec import MedsSource

__all__ = ["CodeRoles"]


@dataclass(frozen=True)
class CodeRoles:
    """Decides by glob patterns (case matters). What is predicted is never an input, wherever it stands.

    Attributes:
        spec: The source's specification.
    """

    spec: MedsSource

    def is_condition(self, code: str) -> bool:
        """Whether the code is a target: ever coded or not."""
        return self._conditions.match(code) is not None

    def is_outcome(self, name: str, code: str) -> bool:
        """Whether the code counts for the outcome of that name."""
        return self._outcomes[name].match(code) is not None

    def site(self, code: str) -> str | None:
        """The site that the code names, if it does."""
        prefix = self.spec.site_prefix
        return code.removeprefix(prefix) if prefix and code.startswith(prefix) else None

    def names_site(self, code: str) -> bool:
        """Whether the code names a site."""
        return self.site(code) is not None

    def is_input(self, code: str) -> bool:
        """Whether the code may become a feature. Birth gives the age; death is an outcome, not an input."""
        return (
            code not in (birth_code, death_code)
            and not self.names_site(code)
            and not self.is_condition(code)
            and not any(pattern.match(code) for pattern in self._outcomes.values())
            and self._excluded.match(code) is None
        )

    @cached_property
    def _conditions(self) -> re.Pattern[str]:
        return _any_of(self.spec.condition_codes)

    @cached_property
    def _excluded(self) -> re.Pattern[str]:
        return _any_of(self.spec.exclude_codes)

    @cached_property
    def _outcomes(self) -> dict[str, re.Pattern[str]]:
        return {name: _any_of([outcome.code]) for name, outcome in self.spec.outcomes.items()}


def _any_of(globs: Iterable[str]) -> re.Pattern[str]:
    """One pattern for several globs; matches nothing where there are none."""
    return re.compile("|".join(translate(glob) for glob in globs) or r"(?!)")
