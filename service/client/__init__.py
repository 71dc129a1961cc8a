"""The client of a server: the same operations as beside the database, by calls made from the method table.

answer.py has what commands are given either way, and is all that they know of it. requests.py makes the calls,
server.py sends them, failures.py says what stood in their way. address.py, contexts.py, secrets.py and selection.py say
which server it is, and by which token.
"""
