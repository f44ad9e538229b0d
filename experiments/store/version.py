"""Which version of the program's *results* a stored run has."""

RESULTS_VERSION = 4
"""Raised when, and only when, the figures of a run change: stored runs of other versions then count no more.

`tests/golden` holds the two together: golden runs that change ask for a new number here.
"""
