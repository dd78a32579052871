"""Kedro settings of the project."""

import warnings

from med_maml_pipeline.hooks import HOOKS as HOOKS
from med_maml_pipeline.session import RunSession

# Kedro 1.7 calls a name that OmegaConf 2.4 deprecates; users can do nothing about it.
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\)")

# Usage statistics leave the machine; with medical data they are off, here, in .telemetry and in __init__.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment names only what it changes; lists (active_sources) are replaced whole.
    "merge_strategy": {"parameters": "soft", "catalog": "soft"},
}

SESSION_CLASS = RunSession
