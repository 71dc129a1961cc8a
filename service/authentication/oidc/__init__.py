"""Tokens of identity providers: JSON web tokens, verified by the keys that an OpenID provider publishes."""
