"""Margin: the rules of a venue as data, and the prices at which accounts break."""
