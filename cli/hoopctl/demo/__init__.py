"""``hoopctl demo``: the whole story on this machine, told by the real commands, in real processes.

Nothing that it prints as output is written here: each step runs something, shows what it said, and checks that. A step
that does not show what it should ends the story with exit code 1.
"""
