"""Metaflow's names on asyncflow."""
