"""Signing in at a server's identity provider, as a client without a secret (RFC 8252), and what is kept of that.

discovery.py says who the provider is and what it offers, endpoints.py asks it. loopback.py has the browser of this
machine come back to it, device.py takes any other machine's browser. kept.py has the tokens, and renews them.
"""
