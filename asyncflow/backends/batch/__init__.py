"""AWS Batch: a platform of jobs.

`options` (what is asked for), `definition`, `submission` and `naming` make requests, `fargate` knows its sizes,
`reasons` and `seen` read answers: all of them pure. `caller` asks AWS and is patient, `platform` with `submitting` and
`watching` carries a run's jobs, `provider` opens it, `examining` looks at everything for `asyncflow doctor`.
"""
