"""Servers that tests speak with over HTTP: real ones, and what stands between them and us to make them fail."""
