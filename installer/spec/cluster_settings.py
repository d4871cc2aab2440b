"""What users may set of Kubernetes' own components in a cluster: typed, and nothing that reaches beyond it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from installer.spec.base import LabelKey, LabelValue, Model, always, rules
from installer.spec.quantity import Duration, Memory

# A DNS name, a wildcard at most in its first label, or an IPv4 address.
SERVER_NAME_PATTERN = r"^(\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$"
ServerName = Annotated[str, StringConstraints(pattern=SERVER_NAME_PATTERN, max_length=253)]
THRESHOLD_PATTERN = r"^[0-9]+(\.[0-9]+)?%$|^[0-9]+(Ki|Mi|Gi|Ti)?$"
Threshold = Annotated[str, StringConstraints(pattern=THRESHOLD_PATTERN)]
Percent = Annotated[int, Field(ge=1, le=100)]
Seconds = Annotated[int, Field(ge=0, le=86400)]
# Kubernetes' own defaults, which hold where only the other one of a pair is set.
_GC_HIGH: Final = 85
_GC_LOW: Final = 80
_GC_ORDER: Final = "imageGCHighThresholdPercent must be above imageGCLowThresholdPercent"
_PARALLEL: Final = "maxParallelImagePulls needs serializeImagePulls: false"

# Those that need no configuration file and leave Moorage's own pods alone: AlwaysPullImages would not, for one.
AdmissionPlugin = Literal[
    "DenyServiceExternalIPs",
    "ExtendedResourceToleration",
    "LimitPodHardAntiAffinityTopology",
    "OwnerReferencesPermissionEnforcement",
    "PodNodeSelector",
    "PodTolerationRestriction",
]


class ApiServer(Model):
    """Settings of kube-apiserver; one that is not set has Kubernetes' own default."""

    audit_log: bool = always(
        False, description="Who did what to which object, without bodies, in the log of the API server's container."
    )
    admission_plugins: tuple[AdmissionPlugin, ...] = always((), description="More than Kubernetes turns on by itself.")
    extra_names: tuple[ServerName, ...] = always((), description="More names and addresses in its certificate.")
    event_ttl: Duration | None = always(None, description="How long events are kept; unset: 1h.")
    max_requests_inflight: Annotated[int, Field(ge=50, le=10000)] | None = always(
        None, description="Reading requests at once, per replica; unset: 400."
    )
    max_mutating_requests_inflight: Annotated[int, Field(ge=25, le=10000)] | None = always(
        None, description="Writing requests at once, per replica; unset: 200."
    )
    not_ready_toleration_seconds: Seconds | None = always(
        None, description="How long pods stay on a node that is not ready, where they do not say; unset: 300."
    )
    unreachable_toleration_seconds: Seconds | None = always(
        None, description="How long pods stay on a node that is not reached, where they do not say; unset: 300."
    )


class EvictionHard(Model):
    """What must be left on a node; below it the kubelet ends pods. Shares (`5%`) or amounts (`200Mi`)."""

    memory_available: Threshold | None = always(
        None, alias="memory.available", description="Memory; a share is one of the pool's `memory`; unset: 100Mi."
    )
    nodefs_available: Threshold | None = always(
        None, alias="nodefs.available", description="The host's disk; unset: 5%."
    )
    nodefs_inodes_free: Threshold | None = always(None, alias="nodefs.inodesFree", description="Its inodes; unset: 2%.")
    imagefs_available: Threshold | None = always(
        None, alias="imagefs.available", description="Disk of images; unset: 5%."
    )
    pid_available: Threshold | None = always(None, alias="pid.available", description="Process ids; unset: no limit.")


class Kubelet(Model):
    """Settings of a pool's kubelets, by the kubelet's own names; one that is not set has Kubernetes' own default."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"(has(self.imageGCHighThresholdPercent) ? self.imageGCHighThresholdPercent : {_GC_HIGH})"
                f" > (has(self.imageGCLowThresholdPercent) ? self.imageGCLowThresholdPercent : {_GC_LOW})",
                _GC_ORDER,
            ),
            (
                "!has(self.maxParallelImagePulls) || (has(self.serializeImagePulls) && !self.serializeImagePulls)",
                _PARALLEL,
            ),
        )
    )

    max_pods: Annotated[int, Field(ge=5, le=250)] | None = always(
        None, description="Pods a node; unset: 110. A node's /24 holds 250."
    )
    pod_pids_limit: Annotated[int, Field(ge=100, le=1_000_000)] | None = always(
        None, description="Processes a pod may have; unset: 4096."
    )
    eviction_hard: EvictionHard = always(
        default_factory=EvictionHard, description="What must be left on a node; below it the kubelet ends pods."
    )
    image_gc_high_threshold_percent: Percent | None = always(
        None, alias="imageGCHighThresholdPercent", description=f"Disk use at which images go; unset: {_GC_HIGH}."
    )
    image_gc_low_threshold_percent: Percent | None = always(
        None, alias="imageGCLowThresholdPercent", description=f"Disk use down to which images go; unset: {_GC_LOW}."
    )
    serialize_image_pulls: bool | None = always(None, description="Pull one image after the other; unset: true.")
    max_parallel_image_pulls: Annotated[int, Field(ge=2, le=50)] | None = always(
        None, description="Images pulled at once, with serializeImagePulls: false; unset: no limit."
    )
    registry_pull_qps: Annotated[int, Field(ge=0, le=1000)] | None = always(
        None, alias="registryPullQPS", description="Pulls a second; 0: no limit; unset: 5."
    )
    registry_burst: Annotated[int, Field(ge=1, le=1000)] | None = always(
        None, description="Pulls at once above registryPullQPS; unset: 10."
    )
    container_log_max_size: Memory | None = always(None, description="A container's log is rotated then; unset: 10Mi.")
    container_log_max_files: Annotated[int, Field(ge=2, le=100)] | None = always(
        None, description="Log files kept of a container; unset: 5."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Kubelet:
        high, low = self.image_gc_high_threshold_percent, self.image_gc_low_threshold_percent
        if (_GC_HIGH if high is None else high) <= (_GC_LOW if low is None else low):
            raise ValueError(_GC_ORDER)
        if self.max_parallel_image_pulls is not None and self.serialize_image_pulls is not False:
            raise ValueError(_PARALLEL)
        return self


class Taint(Model):
    """What keeps pods away from a node unless they tolerate it."""

    key: LabelKey = always(description="Its key.")
    value: LabelValue = always("", description="Its value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = always(
        description="NoExecute ends pods that are there already, too."
    )
