"""Marshmallow schemas, by resource: what a request must look like, and what an answer looks like.

A request schema loads into the frozen dataclass that its operation takes, and the dataclasses that operations answer
with stand beside the schemas of their answers. An answer is dumped by a plain function, some fifty times faster than by
marshmallow; its schema is the contract that documents it and that tests hold it against.
"""
