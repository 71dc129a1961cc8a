"""SCIM 2.0 (RFC 7643, RFC 7644) at /scim/v2, on the operations of provisioning; imported only where it is switched on.

Its libraries take a second of CPU and 32 MB to import. They know the protocol: schemas, PATCH, filters, projections.
"""
