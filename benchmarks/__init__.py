"""How fast asyncflow is, measured against bare loops and, if there is one to point at, against Metaflow."""
