"""Tasks and episodes: nouns, families, splits, samplers and the leakage audit."""
