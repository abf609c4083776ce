"""The local end of a tunnel: a listener on loopback, and a byte pipe to the gateway for each client connection."""
