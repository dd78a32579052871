"""The modalities: a static list, because it shapes the graph."""

__all__ = ["MODALITIES"]

MODALITIES: tuple[str, ...] = ("ehr", "molecules", "imaging", "expression")
