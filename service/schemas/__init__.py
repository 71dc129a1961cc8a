"""Requests and answers, by resource: what an operation takes and gives, and how both look outside.

A request is declared once, by `@request`: a frozen dataclass, and the marshmallow schema that reads it. An answer is
dumped by a plain function, some fifty times faster than by marshmallow; `@answers` names the schema that it follows,
which is the contract that documents it and that tests hold it against. The dataclasses that operations answer with
stand beside them. Nothing here knows the transport, or where in a message of it a field stands.
"""
