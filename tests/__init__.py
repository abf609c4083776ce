"""The tests of the project; a package so that fixtures are imported by name (`tests.fixtures.postgres`)."""
