"""Which parameters matter: curves one at a time, Morris screening, Sobol indices; all runs through the store."""
