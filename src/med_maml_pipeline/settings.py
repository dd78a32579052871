"""Kedro settings of the project."""

from med_maml_pipeline.hooks import HOOKS as HOOKS
from med_maml_pipeline.session import RunSession

# Usage statistics leave the machine; with medical data they are off, here, in .telemetry and in __init__.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment names only what it changes; lists (active_sources) are replaced whole.
    "merge_strategy": {"parameters": "soft", "catalog": "soft"},
}

SESSION_CLASS = RunSession
