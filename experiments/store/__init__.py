"""Finished runs by what they are: the same world with the same seed is simulated once, whoever asks for it."""
