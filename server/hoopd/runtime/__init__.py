"""The interpreter: sockets, tasks, the clock. It carries out what the session machine asks for and decides nothing."""
