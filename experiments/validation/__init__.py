"""The simulator held against published results: `cascade validation`.

Every case puts the product's own code where a closed form, a published table or a measurement can be compared with it,
and says what came out. The facts stand in `published.toml` with their sources and tolerances; a figure that misses is
shown, not forgiven.
"""
