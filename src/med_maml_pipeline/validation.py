"""Configuration checked by pydantic, told in one sentence that names the key and the likely spelling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from med_maml_pipeline.errors import ConfigurationError

__all__ = ["configuration_error", "did_you_mean"]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?`` for the closest known name, else the list of known ones."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known are: {', '.join(names) or 'none'}"


def configuration_error(error: ValidationError, place: str, model: object) -> ConfigurationError:
    """The first complaint of pydantic (and the number of others) as an error of ours.

    Args:
        error: What pydantic raised.
        place: What was being checked: ``parameters 'training'``, ``source 'heart'``.
        model: The model, or union of models, that it was checked against.
    """
    complaints = error.errors(include_url=False, include_input=False)
    more = f" (and {len(complaints) - 1} more)" if len(complaints) > 1 else ""
    return ConfigurationError(f"{place}: {_sentence(complaints[0], model)}{more}")


def _sentence(complaint: ErrorDetails, model: object) -> str:
    place = complaint["loc"]
    key = ".".join(str(part) for part in place)
    if complaint["type"] == "extra_forbidden":
        return f"unknown key '{key}'; {did_you_mean(str(place[-1]), _fields_at(model, place[:-1]))}"
    if complaint["type"] == "missing":
        return f"key '{key}' is missing"
    said = complaint["msg"].removeprefix("Value error, ")
    return f"key '{key}': {said}" if key else said


def _fields_at(model: object, place: tuple[int | str, ...]) -> set[str]:
    """Field names of the models that lie at ``place`` below ``model``."""
    models = list(_models_in(model))
    for part in place:
        annotations = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        # List positions, mapping keys and union tags lead no deeper into the types.
        models = [inner for annotation in annotations for inner in _models_in(annotation)] or models
    return {name for m in models for name in m.model_fields}


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
