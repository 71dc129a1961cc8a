"""Import and export: newline-delimited JSON in and out of the database, in one transaction."""
