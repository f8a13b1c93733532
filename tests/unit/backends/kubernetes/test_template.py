"""The user's own YAML laid over our pods."""

from __future__ import annotations

import pytest

from asyncflow.backends.kubernetes.errors import BadTemplate
from asyncflow.backends.kubernetes.template import lay_over, parse_template

POD = {
    "metadata": {"labels": {"a": "1"}},
    "spec": {
        "containers": [{"name": "main", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}],
        "tolerations": [{"key": "ours"}],
        "nodeSelector": {"disk": "ssd"},
        "volumes": [{"name": "tmpfs", "emptyDir": {}}],
    },
}


def laid(text: str) -> dict:
    return lay_over(POD, parse_template(text))


def test_an_empty_template_changes_nothing() -> None:
    assert laid("") == POD
    assert laid("spec: {}") == POD


def test_mappings_are_merged_and_null_removes() -> None:
    made = laid("spec: {nodeSelector: {zone: a, disk: null}, priorityClassName: high}")
    assert made["spec"]["nodeSelector"] == {"zone": "a"}
    assert made["spec"]["priorityClassName"] == "high"
    assert POD["spec"]["nodeSelector"] == {"disk": "ssd"}


def test_lists_of_named_things_are_merged_by_name() -> None:
    made = laid(
        """
        spec:
          containers:
            - name: side
              image: s
            - name: main
              env:
                - {name: B, valueFrom: {secretKeyRef: {name: k, key: b}}}
                - {name: C, value: "3"}
          volumes: [{name: more, emptyDir: {}}]
        """
    )
    main, side = made["spec"]["containers"]
    assert [main["name"], side["name"]] == ["main", "side"]
    assert main["env"] == [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "k", "key": "b"}}},
        {"name": "C", "value": "3"},
    ]
    assert [one["name"] for one in made["spec"]["volumes"]] == ["tmpfs", "more"]


def test_tolerations_are_added_and_other_lists_replaced() -> None:
    made = laid("spec: {tolerations: [{key: theirs}], schedulingGates: [{name: g}]}")
    assert made["spec"]["tolerations"] == [{"key": "ours"}, {"key": "theirs"}]
    assert made["spec"]["schedulingGates"] == [{"name": "g"}]


def test_a_pod_and_a_pod_template_are_read_alike() -> None:
    plain = parse_template("spec: {priorityClassName: high}")
    assert parse_template("{apiVersion: v1, kind: Pod, spec: {priorityClassName: high}}") == plain
    assert parse_template("{kind: PodTemplate, template: {spec: {priorityClassName: high}}}") == plain


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "cannot be read"),
        ("- a", "no mapping"),
        ("kind: Deployment", "is a Deployment"),
        ("sepc: {}", "'sepc'"),
        ("spec: []", "spec is no mapping"),
        ("metadata: {name: x}", "metadata.name"),
        ("metadata: {labels: {asyncflow/run: '1'}}", "asyncflow/run"),
        ("spec: {restartPolicy: Always}", "restartPolicy"),
        ("spec: {containers: {name: main}}", "containers is no list"),
        ("spec: {containers: main}", "containers is no list"),
        ("spec: {containers: [{image: x}]}", "containers[0] has no 'name'"),
        ("spec: {containers: [{name: main, command: [sh]}]}", "command of container 'main'"),
        ("spec: {containers: [{name: main, env: [{value: x}]}]}", "containers[0].env[0] has no 'name'"),
    ],
)
def test_what_is_no_overlay_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(BadTemplate) as refused:
        parse_template(text, where="pod.yaml")
    assert words in refused.value.message
    assert refused.value.where == "pod.yaml"
