"""The SQL of the service by resource, and nothing else: one function for each statement.

A statement is inline, and has a name by which logs, metrics and spans call it. Functions take the connection and plain
values and return plain values: rules are in permissions.py, transactions and the audit trail in operations/.
"""
