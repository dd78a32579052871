"""What the room may know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from med_maml_pipeline import metrics


def test_metrics_load_neither_kedro_nor_torch() -> None:
    modules = [f"{metrics.__name__}.{path.stem}" for path in Path(metrics.__path__[0]).glob("[a-z]*.py")]
    assert len(modules) > 10
    loaded = "[name for name in ('kedro', 'torch', 'plotly') if name in sys.modules]"
    code = f"import sys, {', '.join(modules)}; print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
