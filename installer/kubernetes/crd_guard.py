"""What keeps hands off our custom resource definitions: one that lost a field loses that field of every resource."""

from __future__ import annotations

from typing import Any, Final

from installer.kubernetes import crd

INSTALLER: Final = "moorage-installer"  # who applies them
_NAME: Final = "moorage-resource-definitions"
_MESSAGE: Final = (
    "it belongs to Moorage: a field that is taken from it is taken from every resource, and the controller follows; "
    "`moorage up` writes it as it is to be"
)


def manifests() -> list[dict[str, Any]]:
    """The policy, which holds for administrators, too, and its binding.

    https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
    """
    rule = {
        "apiGroups": ["apiextensions.k8s.io"],
        "apiVersions": ["*"],
        "operations": ["UPDATE", "DELETE"],
        "resources": ["customresourcedefinitions"],
    }
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [{"name": "ours", "expression": f"oldObject.spec.group == '{crd.GROUP}'"}],
        "validations": [{"expression": f"request.userInfo.username == '{INSTALLER}'", "message": _MESSAGE}],
    }
    return [
        _document("ValidatingAdmissionPolicy", policy),
        _document("ValidatingAdmissionPolicyBinding", {"policyName": _NAME, "validationActions": ["Deny"]}),
    ]


def _document(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": _NAME},
        "spec": spec,
    }
