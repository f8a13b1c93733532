"""Decorators of flows as a whole, and of steps for other places, on real runs."""
