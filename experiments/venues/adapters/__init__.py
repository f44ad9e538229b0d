"""One module per family of rules: what a case calls its inputs becomes a call of the function the simulation uses.

Every module here is imported by `registry.adapters`; an adapter translates names and units and holds no formula.
"""
