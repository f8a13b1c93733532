"""Attempts in pods of a Kubernetes cluster: one pod an attempt, a Job with a Service for a gang.

Pure: `names` (labels and how objects are called), `options` (what a step asks for, settings merged in), `template`
(the user's overlay), `manifest` and `gang` (what is sent), `reading` (what a pod's status means), `checks` (before a
run), `pacing` (how fast, and when again). Edges: `connecting` (kubeconfig), `api` (one request), `watching`
(list, then watch), `book` (what is known of the run's pods), `platform` (all of it, for one run), `examining` (doctor),
`provider` (the way in). Why bare pods: docs/adr/0010-one-object-per-attempt.md.
"""
