"""Attempts beyond this machine: what every platform of jobs (Kubernetes, AWS Batch, Slurm, ...) has in common.

A platform is what one writes to run tasks elsewhere, see `platform.Platform`; found by entry points of the group
`asyncflow.backends`, see `provider.Provider`. `backend.RemoteBackend` makes a backend of it: it packs what workers are
told into objects of the store, asks the platform for jobs, takes outcomes from the manifests that workers leave in the
store, and shows their logs.
"""
