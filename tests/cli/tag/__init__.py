"""`asyncflow tag`, `init`, and commands in Metaflow's words."""
