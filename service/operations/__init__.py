"""One function per operation, named like it: a typed request in, a typed answer or an error of errors.py out.

They know no HTTP and no SQL. Each is one transaction and does nothing outside of it, so it can be run again.
"""
