"""Rules of margin, price, funding and loss as plain functions of numbers: one idea per file, float64, no state.

The simulation calls them, and `cascade verify-venues` holds them against the venues' own numbers.
"""
