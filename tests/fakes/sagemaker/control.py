"""The control plane: every SageMaker call that is known here, by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fakes.sagemaker import configs, deployments, models
from tests.fakes.sagemaker.account import Account
from tests.fakes.sagemaker.components import Components
from tests.fakes.sagemaker.endpoints import CHANGING, Endpoint, Transitions
from tests.fakes.sagemaker.errors import Refusal, in_progress, invalid, not_found
from tests.fakes.sagemaker.paging import chosen, page
from tests.fakes.sagemaker.store import Stored, arn_of

Document = dict[str, Any]


class Control:
    """Answers calls whose input is known to have the right shape."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.transitions = Transitions(account)
        self.components = Components(account)
        self.calls: dict[str, Callable[[Document], Document]] = {
            "CreateModel": lambda given: models.create(account, given),
            "DescribeModel": lambda given: models.described(account.store.get("model", given["ModelName"])),
            "DeleteModel": lambda given: models.delete(account, given["ModelName"]),
            "ListModels": lambda given: self.listed("model", "Models", "Model", given),
            "CreateEndpointConfig": lambda given: configs.create(account, given),
            "DescribeEndpointConfig": lambda given: configs.described(
                account.store.get("endpoint-config", given["EndpointConfigName"])
            ),
            "DeleteEndpointConfig": lambda given: configs.delete(account, given["EndpointConfigName"]),
            "ListEndpointConfigs": lambda given: self.listed(
                "endpoint-config", "EndpointConfigs", "EndpointConfig", given
            ),
            "CreateEndpoint": self.create_endpoint,
            "UpdateEndpoint": self.update_endpoint,
            "UpdateEndpointWeightsAndCapacities": self.scale_endpoint,
            "DescribeEndpoint": self.describe_endpoint,
            "DeleteEndpoint": self.delete_endpoint,
            "ListEndpoints": self.list_endpoints,
            "AddTags": self.add_tags,
            "DeleteTags": self.delete_tags,
            "ListTags": self.list_tags,
            **self.components.calls(),
        }

    def answer(self, name: str, given: Document) -> Document:
        """What a call answers. Raises `Refusal`."""
        if name not in self.calls:
            raise Refusal("UnknownOperationException", f"{name} is not known here")
        with self.account.store.lock:
            return self.calls[name](given)

    def advance(self, steps: int) -> None:
        """Let time pass for everything that changes."""
        with self.account.store.lock:
            for _ in range(steps):
                for stored in [*self.account.store.all("endpoint"), *self.account.store.all("inference-component")]:
                    stored.state.step()

    # Endpoints

    def create_endpoint(self, given: Document) -> Document:
        """CreateEndpoint."""
        config = self.account.store.get("endpoint-config", given["EndpointConfigName"])
        deployments.check_quota(self.account, config, self.account.store.peek("endpoint", given["EndpointName"]))
        stored = self.account.store.create("endpoint", given["EndpointName"], given)
        self.transitions.create(stored, config)
        return {"EndpointArn": stored.arn}

    def update_endpoint(self, given: Document) -> Document:
        """UpdateEndpoint. The configuration that is in use must be there, too."""
        stored = self.changeable(given["EndpointName"])
        config = self.account.store.get("endpoint-config", given["EndpointConfigName"])
        used = stored.state.live.config
        if self.account.store.peek("endpoint-config", used) is None:
            raise not_found("endpoint configuration", arn_of("endpoint-config", used))
        deployments.check(self.account, stored.state, config, given)
        deployments.check_quota(self.account, config, stored)
        self.transitions.update(stored.state, config, given)
        return {"EndpointArn": stored.arn}

    def scale_endpoint(self, given: Document) -> Document:
        """UpdateEndpointWeightsAndCapacities."""
        stored = self.changeable(given["EndpointName"])
        variants = {variant.name: variant for variant in stored.state.live.variants}
        wishes = given["DesiredWeightsAndCapacities"]
        unknown = [wish["VariantName"] for wish in wishes if wish["VariantName"] not in variants]
        if unknown:
            raise invalid(
                f'The variant name(s) "{", ".join(unknown)}" is/are not present within endpoint configuration '
                f'"{arn_of("endpoint-config", stored.state.live.config)}".'
            )
        for wish in wishes:
            variant = variants[wish["VariantName"]]
            variant.wanted_weight = wish.get("DesiredWeight", variant.wanted_weight)
            variant.wanted_count = wish.get("DesiredInstanceCount", variant.wanted_count)
            if "ServerlessUpdateConfig" in wish:
                variant.wanted_serverless = {**(variant.serverless or {}), **wish["ServerlessUpdateConfig"]}
        self.transitions.scale(stored.state)
        return {"EndpointArn": stored.arn}

    def changeable(self, name: str) -> Stored:
        """An endpoint that is not changing. A failed one can only be deleted (AWS, `DescribeEndpoint`)."""
        stored = self.account.store.get("endpoint", name)
        if stored.state.status in CHANGING:
            raise in_progress("endpoint", stored.arn)
        if stored.state.status == "Failed":
            raise invalid(f'Cannot update failed endpoint "{stored.arn}".')
        return stored

    def delete_endpoint(self, given: Document) -> Document:
        """DeleteEndpoint."""
        stored = self.account.store.get("endpoint", given["EndpointName"])
        if stored.state.status in CHANGING:
            raise in_progress("endpoint", stored.arn)
        if any(each.state.endpoint is stored for each in self.account.store.all("inference-component")):
            raise invalid(f'Cannot delete endpoint "{stored.arn}" while it has inference components.')
        if self.account.elsewhere.scaled(stored.name):
            right = "application-autoscaling:DeregisterScalableTarget"
            if right in self.account.denied:
                raise invalid(
                    "An Application AutoScaling scalable target exists for a variant being deleted, and the IAM identity "
                    f"used to invoke DeleteEndpoint does not have {right} permission to deregister the scalable target."
                )
            self.account.elsewhere.scale_no_more(stored.name)
        self.transitions.delete(stored.state)
        return {}

    def describe_endpoint(self, given: Document) -> Document:
        """DescribeEndpoint: as it is now; then it goes on."""
        stored = self.account.store.get("endpoint", given["EndpointName"])
        answer = self.described(stored.state)
        if not self.account.manual:
            stored.state.step()
        return answer

    def described(self, endpoint: Endpoint) -> Document:
        """All that DescribeEndpoint says."""
        stored = endpoint.stored
        said: Document = {
            "EndpointName": stored.name, "EndpointArn": stored.arn, "EndpointConfigName": endpoint.live.config,
            "EndpointStatus": endpoint.status, "CreationTime": stored.created, "LastModifiedTime": stored.modified,
        }  # fmt: skip
        said |= {"FailureReason": endpoint.failure} if endpoint.failure else {}
        said |= {"LastDeploymentConfig": endpoint.deployment} if endpoint.deployment else {}
        if endpoint.live.variants:
            said["ProductionVariants"] = [each.summary() for each in endpoint.live.variants]
        if endpoint.live.shadows:
            said["ShadowProductionVariants"] = [each.summary() for each in endpoint.live.shadows]
        config = self.account.store.peek("endpoint-config", endpoint.live.config)
        if config is not None:
            said |= {key: config.given[key] for key in ("AsyncInferenceConfig", "MetricsConfig") if key in config.given}
            said |= _capture(config.given.get("DataCaptureConfig"))
        if endpoint.pending is not None:
            pending = endpoint.pending
            summary: Document = {"EndpointConfigName": pending.config, "StartTime": pending.started}
            summary["ProductionVariants"] = [each.summary(pending=True) for each in pending.variants]
            if pending.shadows:
                summary["ShadowProductionVariants"] = [each.summary(pending=True) for each in pending.shadows]
            said["PendingDeploymentSummary"] = summary
        return said

    # Lists and tags

    def listed(self, kind: str, key: str, word: str, given: Document) -> Document:
        """A List call."""
        items, token = page(chosen(self.account.store.all(kind), given), given)
        rows = [{f"{word}Name": each.name, f"{word}Arn": each.arn, "CreationTime": each.created} for each in items]
        return {key: rows, **token}

    def list_endpoints(self, given: Document) -> Document:
        """ListEndpoints."""
        wanted = given.get("StatusEquals")
        found = [each for each in self.account.store.all("endpoint") if wanted in {None, each.state.status}]
        items, token = page(chosen(found, given), given)
        rows = [
            {"EndpointName": each.name, "EndpointArn": each.arn, "CreationTime": each.created,
             "LastModifiedTime": each.modified, "EndpointStatus": each.state.status}
            for each in items
        ]  # fmt: skip
        return {"Endpoints": rows, **token}

    def add_tags(self, given: Document) -> Document:
        """AddTags."""
        stored = self.account.store.by_arn(given["ResourceArn"])
        tags = {**stored.tags, **{each["Key"]: each["Value"] for each in given["Tags"]}}
        if len(tags) > 50:
            raise invalid("Too many tags: a resource has at most 50.")
        stored.tags = tags
        return {"Tags": _tags(tags)}

    def delete_tags(self, given: Document) -> Document:
        """DeleteTags."""
        stored = self.account.store.by_arn(given["ResourceArn"])
        stored.tags = {key: value for key, value in stored.tags.items() if key not in given["TagKeys"]}
        return {}

    def list_tags(self, given: Document) -> Document:
        """ListTags."""
        tags, token = page(_tags(self.account.store.by_arn(given["ResourceArn"]).tags), given, size=50)
        return {"Tags": tags, **token}


def _tags(tags: dict[str, str]) -> list[Document]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _capture(config: Document | None) -> Document:
    if config is None:
        return {}
    kept = {
        "EnableCapture": config.get("EnableCapture", False), "CaptureStatus": "Started" if config.get("EnableCapture") else "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"], "KmsKeyId": config.get("KmsKeyId", ""),
    }  # fmt: skip
    return {"DataCaptureConfig": kept}
