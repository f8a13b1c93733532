"""The dashboard over stores that were really written."""
