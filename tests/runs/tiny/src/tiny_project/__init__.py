"""A Kedro project of four nodes, to run our hooks, session and datasets in."""
