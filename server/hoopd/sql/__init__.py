"""Reading SQL: PostgreSQL's own grammar, what statements do, where columns flow. Pure; imports ``domain`` only."""
