"""Few-shot learning for medicine: from raw files to an honest verdict."""

import os

# Kedro reads this before any hook runs, Ray when it starts; medical data and usage statistics do not mix.
os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

__version__ = "0.1.0"
