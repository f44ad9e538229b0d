"""A study: one TOML file that says which worlds are simulated, with which seeds, and what is asked of them."""
