"""The way to PostgreSQL: servers and backoff, the pool and its deadlines, the meaning of errors, migrations."""
