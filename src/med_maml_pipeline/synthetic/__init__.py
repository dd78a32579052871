"""The embedded hospital: latent diseases and what each modality shows of them."""

from med_maml_pipeline.synthetic.ehr import write_ehr
from med_maml_pipeline.synthetic.expression import write_expression
from med_maml_pipeline.synthetic.imaging import write_imaging
from med_maml_pipeline.synthetic.molecules import write_molecules
from med_maml_pipeline.synthetic.settings import SyntheticHospitalSettings
from med_maml_pipeline.synthetic.truth import write_truth

__all__ = [
    "SyntheticHospitalSettings",
    "write_ehr",
    "write_expression",
    "write_imaging",
    "write_molecules",
    "write_truth",
]
