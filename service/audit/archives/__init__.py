"""Archives of the audit trail: months of it in files, which prove by seals that nothing was altered."""
