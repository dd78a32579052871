"""Tasks and episodes: nouns, families, splits, samplers and the leakage audit.

`types` holds the nouns; `build` makes the catalog of tasks and episodes; `problems` gives it to learners;
`sampling` draws training episodes. Nothing is imported here, so that the nouns stay cheap to import.
"""
