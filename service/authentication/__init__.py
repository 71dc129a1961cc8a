"""From credentials to a caller: bearer tokens, and when they were last used."""
