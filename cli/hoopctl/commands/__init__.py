"""One module for each command or group of commands; thin.

They are imported only when they run (see ``hoopctl.app``).
"""
