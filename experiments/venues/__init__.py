"""The rules of the simulation held against numbers from venues: test suites, documents, parameter tables."""
