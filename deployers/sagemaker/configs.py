"""What an endpoint config is made of beyond its plainest form: variants, a shadow, capture, an asynchronous queue."""

from __future__ import annotations

import math
from typing import Any

from deployers.base import JSON
from deployers.sagemaker.names import VARIANT
from deployers.sagemaker.options import Asynchronous, DataCapture, Shadow, Variant
from deployers.sagemaker.settings import SagemakerSettings

SHADOW = "shadow"
"""The name of a shadow variant."""

CAPTURED = {"input": "Input", "output": "Output"}

Request = dict[str, Any]


def settled(settings: SagemakerSettings, endpoint: str, *, model: str) -> dict[str, JSON]:
    """The members of CreateEndpointConfig that templates put in, by the names that templates know them under.

    ``model``: the name of the release's own model.
    """
    return {
        "variants": [_main(settings, model), *(_beside(settings, each, model) for each in settings.variants)],
        "shadows": [_shadow(settings, settings.shadow, model)] if settings.shadow is not None else [],
        "data_capture": _capture(settings, settings.data_capture, endpoint) if settings.data_capture else None,
        "asynchronous": _queue(settings, settings.asynchronous, endpoint) if settings.asynchronous else None,
        "vpc": {"SecurityGroupIds": list(settings.vpc.security_groups), "Subnets": list(settings.vpc.subnets)}
        if settings.vpc is not None
        else None,
    }


def _main(settings: SagemakerSettings, model: str) -> Request:
    found: Request = {"VariantName": VARIANT, "ModelName": model, "InitialVariantWeight": settings.weight}
    if settings.serverless is None:
        return found | _instances(settings, None, None)
    serverless = settings.serverless
    config = {"MemorySizeInMB": serverless.memory, "MaxConcurrency": serverless.concurrency}
    if serverless.provisioned is not None:
        config["ProvisionedConcurrency"] = serverless.provisioned
    return found | {"ServerlessConfig": config}


def _beside(settings: SagemakerSettings, variant: Variant, model: str) -> Request:
    found = {
        "VariantName": variant.name,
        "ModelName": variant.model_name or model,
        "InitialVariantWeight": variant.weight,
    }
    return found | _instances(settings, variant.instance_type, variant.instance_count)


def _shadow(settings: SagemakerSettings, shadow: Shadow, model: str) -> Request:
    found = {
        "VariantName": SHADOW,
        "ModelName": shadow.model_name or model,
        "InitialVariantWeight": shadow.weight,
    }
    return found | _instances(settings, shadow.instance_type, shadow.instance_count)


def _instances(settings: SagemakerSettings, instance_type: str | None, count: int | None) -> Request:
    """The members that say on what a variant runs, and how long it may take to start there."""
    fewest = settings.scaling.min if settings.scaling is not None else settings.instance_count
    found: Request = {
        "InstanceType": instance_type or settings.instance_type,
        # A new endpoint begins with at least one instance, also where it may have none later.
        "InitialInstanceCount": count or max(1, fewest),
        "ContainerStartupHealthCheckTimeoutInSeconds": math.ceil(settings.start_timeout),
    }
    if settings.place != "image":
        found["ModelDataDownloadTimeoutInSeconds"] = math.ceil(settings.download_timeout)
    if settings.volume_size is not None:
        found["VolumeSizeInGB"] = settings.volume_size
    if settings.routing != "random":
        found["RoutingConfig"] = {"RoutingStrategy": settings.routing.replace("-", "_").upper()}
    return found


def _capture(settings: SagemakerSettings, capture: DataCapture, endpoint: str) -> Request:
    found: Request = {
        "EnableCapture": True,
        "InitialSamplingPercentage": capture.share,
        "DestinationS3Uri": capture.to or f"s3://{settings.bucket}/{settings.prefix}/captured/{endpoint}",
        "CaptureOptions": [{"CaptureMode": CAPTURED[each]} for each in capture.what],
    }
    types = {"CsvContentTypes": list(capture.csv), "JsonContentTypes": list(capture.json)}
    if any(types.values()):
        found["CaptureContentTypeHeader"] = {name: value for name, value in types.items() if value}
    if capture.kms_key is not None:
        found["KmsKeyId"] = capture.kms_key
    return found


def _queue(settings: SagemakerSettings, asynchronous: Asynchronous, endpoint: str) -> Request:
    results = f"s3://{settings.bucket}/{settings.prefix}/results/{endpoint}"
    output: Request = {
        "S3OutputPath": asynchronous.output or results,
        "S3FailurePath": asynchronous.failures or f"{asynchronous.output or results}/failures",
    }
    topics = {"SuccessTopic": asynchronous.success_topic, "ErrorTopic": asynchronous.error_topic}
    told: Request = {name: topic for name, topic in topics.items() if topic is not None}
    if told and asynchronous.include_answer:
        told["IncludeInferenceResponseIn"] = [
            kind for kind, name in (("SUCCESS_NOTIFICATION_TOPIC", "SuccessTopic"),
                                    ("ERROR_NOTIFICATION_TOPIC", "ErrorTopic")) if name in told
        ]  # fmt: skip
    if told:
        output["NotificationConfig"] = told
    if asynchronous.kms_key is not None:
        output["KmsKeyId"] = asynchronous.kms_key
    found: Request = {"OutputConfig": output}
    if asynchronous.concurrency is not None:
        found["ClientConfig"] = {"MaxConcurrentInvocationsPerInstance": asynchronous.concurrency}
    return found
