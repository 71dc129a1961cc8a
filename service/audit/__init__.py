"""The keeping of the audit trail: its months, its seals and their verification, and the timelines of its database."""
