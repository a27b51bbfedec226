"""Sign-in by an identity provider: OpenID Connect, from a terminal (RFC 8628) and checked by the server."""
