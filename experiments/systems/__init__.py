"""Runs of several venues together: their scenario, build, record, figures and page."""
