"""A finished run as one page that opens offline: `cascade replay RUN_DIR`."""
