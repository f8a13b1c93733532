"""The client over runs that really ran."""
