"""Networks of balance sheets: who owes whom, who holds what, and how a loss travels.

Everything is in USD and takes arrays or scipy sparse arrays. A matrix of *exposures* has the claim of `i` on `j` at
`[i, j]`; a matrix of *liabilities* is its transpose: what `i` owes `j`.
"""
