"""A PostgreSQL that needs no installation, for development, tests and the first look."""
