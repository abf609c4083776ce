"""The record of sessions: events as bytes, their hash chain, the journal, and their way into the store.

The bytes stored are the bytes hashed, never serialised again. What cannot be recorded does not run (INV-3).
"""
