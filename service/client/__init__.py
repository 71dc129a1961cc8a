"""The client of a server: the same operations as beside the database, by calls made from the method table.

answer.py has what commands are given either way, and is all that they know of it. requests.py says what is called,
server.py has the Python client call it, failures.py says what stood in the way. network.py is what loads httpx, and is
loaded for a call alone. address.py, contexts.py, secrets.py and selection.py say which server it is, by which token.
"""
