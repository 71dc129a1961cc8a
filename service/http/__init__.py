"""The HTTP transport, in the order in which a request meets it.

server/ has sockets and bytes, admission.py refuses early, overload/ holds what can't be begun yet, middleware.py is
around every request, routes.py is the method table, endpoint.py binds one row of it to the dispatcher; reader.py and
conditions.py read requests, responses.py tells failures. Another transport stands beside this one, over
operations/dispatcher.py.
"""
