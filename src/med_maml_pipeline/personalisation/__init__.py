"""One's own cases: a support and a query table through a trained checkpoint. NumPy and pandas, no Kedro."""

from med_maml_pipeline.personalisation.ensemble import personalise_ensemble
from med_maml_pipeline.personalisation.predict import personalise
from med_maml_pipeline.personalisation.settings import PersonalisationSettings

__all__ = ["PersonalisationSettings", "personalise", "personalise_ensemble"]
