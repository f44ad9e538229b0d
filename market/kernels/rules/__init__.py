"""Rules of venues as pure functions: numbers in plain units in, numbers out; one file per kind of rule."""
