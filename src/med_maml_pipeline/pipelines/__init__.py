"""Kedro wiring: thin nodes that call the rooms."""
