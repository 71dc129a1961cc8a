"""The operations: a typed request in, a typed answer or an error of errors.py out, one function each.

They know no transport and no SQL. Each is one transaction and does nothing outside of it, so it can be run again.
`dispatcher.py` runs them for any transport; `call.py` is what they are given beside their request.
"""
