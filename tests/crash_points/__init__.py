"""Kills at every commit, rename, launch, acknowledgement and report of a small flow, one after the other."""
