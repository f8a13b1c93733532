"""Roles and images, as far as AWS says whether they are there."""

from __future__ import annotations

import json
import re
from typing import Any, cast
from urllib.parse import unquote

from asyncflow.backends.batch.caller import Caller, MayBeDone, Refusal
from asyncflow.backends.remote.provider import Finding

__all__ = ["examine_image", "examine_role"]

_ROLE = re.compile(r"arn:[a-z-]+:iam::\d{12}:role/(?:.*/)?([\w+=,.@-]+)")
_ECR = re.compile(
    r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)(?::([^@]+))?(?:@(.+))?"
)
_TASKS = "ecs-tasks.amazonaws.com"


async def examine_role(caller: Caller, role: str, option: str) -> Finding:
    """Say whether a role is there and may be a job's."""
    what = f"{option} {role}"
    found = _ROLE.fullmatch(role)
    if found is None:
        hint = "Write it like arn:aws:iam::123456789012:role/name"
        return Finding(what, is_ok=False, told="it is not the ARN of a role", hint=hint)
    try:
        answer = await caller.try_("get_role", service="iam", RoleName=found[1])
    except (Refusal, MayBeDone) as error:
        return _not_there(what, error, ("NoSuchEntity",), "Make it, or check its name and account.")
    if not _trusts_tasks(answer["Role"].get("AssumeRolePolicyDocument")):
        hint = f"Let {_TASKS} assume it: its trust policy needs sts:AssumeRole for that service."
        return Finding(
            what, is_ok=False, told=f"{_TASKS} may not assume it, so no job can have it", hint=hint
        )
    return Finding(what, is_ok=True, told="it is there, and jobs may have it")


async def examine_image(caller: Caller, image: str) -> Finding:
    """Say whether an image is there, if it is in ECR, in the region that is asked; others are not looked at."""
    what = f"image {image}"
    found = _ECR.fullmatch(image)
    if found is None or found[2] != caller.region:
        return Finding(
            what, is_ok=True, told="it could be one; whether it is there is seen when a job starts"
        )
    account, _, repository, tag, digest = found.groups()
    wanted = {"imageDigest": digest} if digest else {"imageTag": tag or "latest"}
    try:
        await caller.try_(
            "describe_images",
            service="ecr",
            registryId=account,
            repositoryName=repository,
            imageIds=[wanted],
        )
    except (Refusal, MayBeDone) as error:
        missing = ("RepositoryNotFoundException", "ImageNotFoundException")
        return _not_there(what, error, missing, "Push it, or check its name, tag and region.")
    return Finding(what, is_ok=True, told="it is there")


def _not_there(what: str, error: Refusal | MayBeDone, missing: tuple[str, ...], hint: str) -> Finding:
    problem = error.problem
    if problem.code in missing:
        return Finding(what, is_ok=False, told=f"it is not there ({problem.code})", hint=hint)
    return Finding(what, is_ok=True, told=f"it could not be looked at ({problem.code})")


def _trusts_tasks(policy: Any) -> bool:  # Any: JSON, botocore's or as a text
    if isinstance(policy, str):
        try:
            policy = json.loads(unquote(policy))
        except ValueError:
            return False
    if not isinstance(policy, dict):
        return False
    statements = json.dumps(cast("dict[str, Any]", policy).get("Statement"))
    return _TASKS in statements or '"Principal": "*"' in statements
