"""Parts that molecules are assembled from, as SMILES text.

A scaffold has up to three free places ``{a} {b} {c}``, all on carbon. Ring-closure digits never meet:
scaffolds use 1 to 4, ends 5 and 6, substituents 7. Every combination obeys the rules of valence.
"""

from __future__ import annotations

__all__ = ["ENDS", "LINKERS", "SCAFFOLDS", "SUBSTITUENTS", "assemble"]

SCAFFOLDS = (
    "c1{a}cc{b}cc{c}c1",
    "c1{a}c{b}cccc1{c}",
    "c1{a}ccc{b}c{c}c1",
    "n1c{a}cc{b}cc1{c}",
    "c1{a}ncc{b}cc1{c}",
    "c1{a}nc{b}cc{c}n1",
    "c1{a}cnc{b}nc1{c}",
    "c1{a}c{b}[nH]c2ccc{c}cc12",
    "c1{a}nc2cc{b}ccc2[nH]1",
    "c1{a}nc2cc{b}cc{c}c2s1",
    "c1{a}nc2cc{b}ccc2o1",
    "n1c{a}c{b}cc2cc{c}ccc12",
    "c1{a}ncc{b}c2ccc{c}cc12",
    "c1{a}nc{b}c2cc{c}ccc2n1",
    "c1{a}cc{b}c2cc{c}ccc2c1",
    "c1{a}cc{b}sc1{c}",
    "c1{a}cc{b}oc1{c}",
    "c1{a}nc{b}c{c}[nH]1",
    "c1{a}c{b}n[nH]c1{c}",
    "c1{a}nc{b}c{c}o1",
    "c1{a}nc{b}c{c}s1",
    "C1{a}CC{b}NCC1",
    "C1{a}CNC{b}CN1",
    "C1{a}CNC{b}CO1",
    "C1{a}CCC{b}CC1{c}",
    "C1{a}CCC{b}C1{c}",
    "c1{a}cc{b}c2c(c1{c})CCCC2",
    "O=c1c{a}c{b}c2cc{c}ccc2o1",
    "O=c1c{a}c{b}oc2cc{c}ccc12",
    "O=C1C{a}Cc2cc{b}cc{c}c2N1",
    "c1{a}ccc2c(c1)[nH]c1cc{b}cc{c}c12",
    "c1{a}ccc2c(c1)Sc1cc{b}ccc1N2",
    "c1{a}ccc2c(c1)Cc1cc{b}cc{c}c1-2",
    "C{a}CC{b}CC{c}",
    "CC{a}CCCC{b}C",
    "C1{a}CCC2C(C1)CCC1{b}C2CCC1{c}",
)

LINKERS = (
    "", "C", "CC", "O", "N", "OC", "OCC", "CN", "CCN", "SC", "C=C", "N=N",
    "C(=O)N", "NC(=O)", "C(=O)O", "C(=O)", "NC(=O)N", "S(=O)(=O)N", "NS(=O)(=O)",
)  # fmt: skip

ENDS = (
    "C", "CC", "C(C)C", "C(C)(C)C", "CCCCC", "CCCCCCCC", "CC(=O)O", "CCN(C)C", "C(F)(F)F",
    "c5ccccc5", "c5ccc(F)cc5", "c5ccc(Cl)cc5", "c5ccc(O)cc5", "c5ccc(OC)cc5", "c5ccncc5", "c5cccnc5",
    "c5ncccn5", "c5cccs5", "c5ccco5", "C5CCCCC5", "C5CC5", "C5CCNCC5", "C5CCOCC5", "C5CCN(C)CC5",
    "c5ccc6ccccc6c5", "c5cnc[nH]5",
)  # fmt: skip

SUBSTITUENTS = (
    "", "", "", "F", "Cl", "Cl", "Br", "I", "C", "CC", "C(C)C", "C(C)(C)C", "O", "O", "OC", "OCC", "N",
    "N(C)C", "NC(C)=O", "[N+](=O)[O-]", "C#N", "C(F)(F)F", "OC(F)(F)F", "C(=O)O", "C(=O)OC", "C(N)=O",
    "C(C)=O", "C=O", "S(N)(=O)=O", "S(C)(=O)=O", "SC", "CO", "CCN", "CCCCC", "C=CC(C)=O", "C=CC(=O)OC",
    "C7CO7", "CN=C=S", "N7CCOCC7", "N7CCN(C)CC7", "c7ccccc7", "C7CC7",
)  # fmt: skip


def assemble(scaffold: str, chain: str, second: str, third: str) -> str:
    """Puts a chain (linker and end) and two substituents into a scaffold. Empty text leaves hydrogen."""
    places = {"a": chain, "b": second, "c": third}
    return scaffold.format(**{place: f"({text})" if text else "" for place, text in places.items()})
