"""The project's own hooks: an unknown parameter stops everything before the first node."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from med_maml_pipeline.errors import ConfigurationError
from med_maml_pipeline.hooks import HOOKS, ParameterHooks, ProgressHooks, ProvenanceHooks
from med_maml_pipeline.node_state import StateHooks
from med_maml_pipeline.summary import SummaryHooks


def test_the_project_registers_them_all() -> None:
    expected = [ParameterHooks, ProvenanceHooks, ProgressHooks, StateHooks, SummaryHooks]
    assert [type(hook) for hook in HOOKS] == expected


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"budgett": "quick"}, r"unknown key 'budgett'; did you mean 'budget'\?"),
        ({"evaluation": {"bootstraps": 1}}, r"unknown key 'evaluation\.bootstraps'; did you mean '\w+'\?"),
        ({"seed": -1}, "key 'seed': Input should be greater than or equal to 0"),
    ],
)
def test_an_unknown_parameter_is_named_with_its_likely_spelling(
    parameters: dict[str, object], sentence: str
) -> None:
    context = SimpleNamespace(config_loader={"parameters": parameters})
    with pytest.raises(ConfigurationError, match=sentence):
        ParameterHooks().after_context_created(context=context)
