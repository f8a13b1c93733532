"""Attempts in pods of a Kubernetes cluster: one pod an attempt, a Job with a Service for a gang.

Pure: `names` (labels and how objects are called), `options` (what a step asks for, settings merged in), `template`
(the user's overlay), `manifest` and `gang` (what is sent), `parts` and `reading` (what a pod's status means), `book`
(what is known of a run's pods, and what is news), `checks` (before a run), `nodes` (what fits), `pacing` (how fast, and
when again).

Edges: `connecting` (kubeconfig), `api` (one request), `asking` (objects made and removed), `launching` (many at once,
and quota), `watching` (list, then watch), `tending`, `gang_tending` (hopeless pods, cleaning), `platform` (all of it,
for one run), `opening`, `permissions`, `reaping`, `examining` (doctor), `provider` (the way in).

Why bare pods: docs/adr/0010-one-object-per-attempt.md. For users: docs/kubernetes.md.
"""
