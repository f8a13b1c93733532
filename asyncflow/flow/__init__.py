"""What a user's file is made of: flows, steps, parameters, decorators; and the graph that is read from the source."""
