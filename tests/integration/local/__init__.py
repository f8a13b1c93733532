"""The local backend with steps that misbehave, and with processes that are killed."""
