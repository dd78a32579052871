"""Organ families and the diseases in them (ICD-10 category codes of the WHO, 2019 edition)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FAMILIES", "Disease", "diseases"]

FAMILIES = ("cardiac", "renal", "hepatic", "endocrine", "pulmonary", "blood", "immune")
"""Organ families. Diseases of one family strain the same organ and therefore share features."""

_CATALOGUE: dict[str, tuple[tuple[str, str], ...]] = {
    "cardiac": (
        ("I50", "Heart failure"),
        ("I48", "Atrial fibrillation and flutter"),
        ("I25", "Chronic ischaemic heart disease"),
        ("I42", "Cardiomyopathy"),
        ("I10", "Essential hypertension"),
        ("I35", "Aortic valve disorders"),
    ),
    "renal": (
        ("N18", "Chronic kidney disease"),
        ("N17", "Acute renal failure"),
        ("N04", "Nephrotic syndrome"),
        ("N03", "Chronic nephritic syndrome"),
        ("N20", "Calculus of kidney and ureter"),
        ("N10", "Acute tubulo-interstitial nephritis"),
    ),
    "hepatic": (
        ("K76", "Fatty liver and other diseases of liver"),
        ("K74", "Fibrosis and cirrhosis of liver"),
        ("K70", "Alcoholic liver disease"),
        ("B18", "Chronic viral hepatitis"),
        ("K80", "Cholelithiasis"),
        ("K83", "Other diseases of biliary tract"),
    ),
    "endocrine": (
        ("E11", "Type 2 diabetes mellitus"),
        ("E03", "Hypothyroidism"),
        ("E05", "Thyrotoxicosis"),
        ("E78", "Disorders of lipoprotein metabolism"),
        ("E10", "Type 1 diabetes mellitus"),
        ("E21", "Hyperparathyroidism"),
    ),
    "pulmonary": (
        ("J44", "Chronic obstructive pulmonary disease"),
        ("J45", "Asthma"),
        ("J18", "Pneumonia"),
        ("J84", "Interstitial pulmonary diseases"),
        ("J96", "Respiratory failure"),
        ("J47", "Bronchiectasis"),
    ),
    "blood": (
        ("D50", "Iron deficiency anaemia"),
        ("D69", "Purpura and other haemorrhagic conditions"),
        ("C90", "Multiple myeloma"),
        ("D68", "Coagulation defects"),
        ("C91", "Lymphoid leukaemia"),
        ("D46", "Myelodysplastic syndromes"),
    ),
    "immune": (
        ("M05", "Seropositive rheumatoid arthritis"),
        ("A41", "Sepsis"),
        ("K50", "Crohn disease"),
        ("M32", "Systemic lupus erythematosus"),
        ("M10", "Gout"),
        ("L40", "Psoriasis"),
    ),
}


@dataclass(frozen=True)
class Disease:
    """A latent disease: its family, its ICD-10 category and its name."""

    family: str
    icd10: str
    name: str

    @property
    def code(self) -> str:
        """The code under which a diagnosis of it is recorded."""
        return f"DIAGNOSIS//{self.icd10}"


def diseases(count: int) -> tuple[Disease, ...]:
    """The first ``count`` diseases, dealt out to the families in turn."""
    rounds = max(len(entries) for entries in _CATALOGUE.values())
    dealt = [Disease(family, *_CATALOGUE[family][turn]) for turn in range(rounds) for family in FAMILIES]
    return tuple(dealt[:count])
