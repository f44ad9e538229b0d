"""`cascade compare-margin`: the same people and shocks under isolated, cross and portfolio margin."""
