"""What happens around a run: exit hooks, notifications."""
