"""Calibration: parameters of a scenario from measured books, trades, prices and accounts, by simulated moments.

Each part of the model that can be told apart from the others is fitted alone: the book (`book.py`), reference prices
(`reference.py`) and the population (`population.py`). Books and prices go the same way, `fit.py`: simulate at
parameters spread over their ranges, learn by regression which parameters go with which moments, say which of them the
data can tell apart at all, and finish with a search on the distance between moments.
"""
