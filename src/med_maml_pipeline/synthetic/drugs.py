"""Drugs and the organ families they are given for; many serve several."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DRUGS", "Drug"]


@dataclass(frozen=True)
class Drug:
    """A drug: its name, the families it treats, and how often others get it per visit."""

    name: str
    families: tuple[str, ...]
    background: float = 0.03

    @property
    def code(self) -> str:
        """MEDS code."""
        return f"DRUG//{self.name}"


DRUGS: tuple[Drug, ...] = (
    Drug("furosemide", ("cardiac", "renal", "hepatic")),
    Drug("metoprolol", ("cardiac", "endocrine"), 0.06),
    Drug("lisinopril", ("cardiac", "renal"), 0.06),
    Drug("spironolactone", ("cardiac", "hepatic")),
    Drug("warfarin", ("cardiac", "blood")),
    Drug("aspirin", ("cardiac",), 0.08),
    Drug("atorvastatin", ("cardiac", "endocrine"), 0.08),
    Drug("sevelamer", ("renal",), 0.01),
    Drug("epoetin_alfa", ("renal", "blood"), 0.01),
    Drug("calcitriol", ("renal", "endocrine")),
    Drug("tamsulosin", ("renal",)),
    Drug("lactulose", ("hepatic",)),
    Drug("ursodeoxycholic_acid", ("hepatic",), 0.01),
    Drug("thiamine", ("hepatic",)),
    Drug("metformin", ("endocrine",)),
    Drug("insulin", ("endocrine",)),
    Drug("levothyroxine", ("endocrine",)),
    Drug("salbutamol", ("pulmonary",), 0.04),
    Drug("tiotropium", ("pulmonary",), 0.02),
    Drug("fluticasone", ("pulmonary",)),
    Drug("prednisolone", ("pulmonary", "immune", "blood", "renal"), 0.04),
    Drug("azithromycin", ("pulmonary", "immune"), 0.04),
    Drug("ferrous_sulfate", ("blood", "renal"), 0.04),
    Drug("folic_acid", ("blood", "immune")),
    Drug("rituximab", ("blood", "immune"), 0.01),
    Drug("methotrexate", ("immune",), 0.02),
    Drug("ibuprofen", ("immune",), 0.08),
    Drug("ceftriaxone", ("immune", "pulmonary", "hepatic"), 0.04),
    Drug("paracetamol", (), 0.25),
    Drug("pantoprazole", (), 0.18),
    Drug("colecalciferol", (), 0.12),
    Drug("enoxaparin", (), 0.12),
)
"""The formulary. The order is part of the data format."""
