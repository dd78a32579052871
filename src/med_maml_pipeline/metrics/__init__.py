"""Scores, intervals, calibration, curves and the scoreboard."""
