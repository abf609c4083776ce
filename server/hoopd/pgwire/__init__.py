"""PostgreSQL's frontend/backend protocol 3.0 (PostgreSQL documentation, chapter 54), sans-I/O.

Bytes in, frames out, and the other way round. Imports none of our packages; holds no socket; every length is checked
before it is believed.
"""
