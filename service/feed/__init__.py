"""The feed of changes: places in it, what entries of the audit trail mean in it, and one reader for all clients."""
