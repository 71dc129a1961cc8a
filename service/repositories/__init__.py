"""The SQL of the service by resource, and nothing else: one function for each statement.

A statement is inline, and has a name by which logs, metrics and spans call it. Functions take the connection and plain
values and return plain values: rules are in permissions/, transactions and the audit trail in operations/.

A transaction locks pipelines, organizations, groups, users, tokens, jobs, and then what refers to them (assignments,
grants, memberships), in this order and by id within a table, so that two of them wait for each other instead of
deadlocking. It is the order of the triggers in sql/migrations/0002_bump_revisions.sql: who a pipeline's change concerns
is only known once the pipeline is locked. The proof of a caller's authority (authority.py) locks the caller, all whose
revisions the change draws anew, and the caller's token in one go; other tokens come after it, in trees that are locked
ahead of all. KEY SHARE, which foreign keys take, gets in the way of deletions alone. What is shared by strangers
(batches) waits for no lock at all.
"""
