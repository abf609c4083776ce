"""The interpreter: sockets, upstream connections, tasks and the clock."""
