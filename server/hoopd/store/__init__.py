"""The store: PostgreSQL through psycopg 3. One repository module for each aggregate.

Every error of psycopg becomes ``Unavailable`` in one place (``store.errors``): what asks the store fails closed.
SQL is never built from text: literals with parameters, or ``psycopg.sql``. All tables are in the schema ``hoop``.
"""
