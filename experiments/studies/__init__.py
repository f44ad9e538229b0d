"""Studies: questions that take minutes, each a module with a command line (`python -m experiments.studies.NAME`)."""
