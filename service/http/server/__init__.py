"""Sockets and bytes: listener.py accepts, connection.py parses and refuses, runner.py starts and ends an application.

These are the only files that rely on aiohttp's internals; tests/http/server/test_aiohttp_internals.py lists them.
"""
