"""What is shown of a version that was put to serve; light to import, for a rollback must not wait for tables."""

from typing import Any

from features.instant import to_iso
from training.registry import Deployment

Document = dict[str, Any]


def deployed(deployment: Deployment) -> str:
    return f"{deployment.model}: version {deployment.version} is {deployment.alias} ({deployment.reason})."


def deployment_document(deployment: Deployment) -> Document:
    return {
        "model": deployment.model,
        "version": deployment.version,
        "alias": deployment.alias,
        "run_id": deployment.run_id,
        "deployed_at": to_iso(deployment.deployed_at),
        "reason": deployment.reason,
    }
