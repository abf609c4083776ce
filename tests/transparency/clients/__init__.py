"""The clients that are compared: a module for each, which gives its suite of cases."""
