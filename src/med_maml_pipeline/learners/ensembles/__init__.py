"""The answer a user takes home: all lanes' predictions made into one, as validation tasks teach."""

from med_maml_pipeline.learners.ensembles.protocol import Ensemble
from med_maml_pipeline.learners.ensembles.selected import Selected
from med_maml_pipeline.learners.ensembles.stacked import Stacked

__all__ = ["ENSEMBLES", "Ensemble", "Selected", "Stacked"]

ENSEMBLES: dict[str, Ensemble] = {"selected": Selected(), "stacked": Stacked()}
"""By the names under which the scoreboard lists them."""
