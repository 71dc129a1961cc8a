"""The gRPC transport, and Connect: the method table's operations by Protocol Buffers.

Of the extra `grpc`; nothing imports this package where it is not installed, or not asked for.
"""
