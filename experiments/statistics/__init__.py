"""How sure a figure is: intervals for means, probabilities and quantiles, and what is too little to say."""
