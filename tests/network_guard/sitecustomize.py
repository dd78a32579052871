"""Python imports this at its start where the folder is on PYTHONPATH: that guards what tests start."""

import os
from pathlib import Path

from no_network import refuse_network

if log := os.environ.get("NETWORK_LOG"):
    refuse_network(Path(log))
