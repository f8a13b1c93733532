"""Runs started by Runner, in processes of their own."""
