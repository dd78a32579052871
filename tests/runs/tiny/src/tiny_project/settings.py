"""As the real project's, without its parameter blocks."""

from med_maml_pipeline.hooks import ProgressHooks, ProvenanceHooks
from med_maml_pipeline.session import RunSession

SESSION_CLASS = RunSession
HOOKS = (ProvenanceHooks(), ProgressHooks())
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
}
