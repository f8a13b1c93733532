"""Flows that import metaflow, from the command line."""
