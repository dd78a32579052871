"""Tables from the artifacts of the latest run: what `results_tables.py` and `stacked_ablation.py` share."""
