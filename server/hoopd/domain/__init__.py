"""The words of the project as frozen types: what every other package speaks in.

No I/O, no clock, no import of another package of ours.
"""
