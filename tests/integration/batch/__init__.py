"""AWS Batch as a platform, against a server whose jobs really run."""
