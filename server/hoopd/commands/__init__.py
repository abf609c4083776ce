"""``hoopd``'s commands: thin; each reads its arguments, calls one thing, and says what came of it."""
