"""Runs of a study: who simulates them, what happens when something dies, and what is said about it."""
