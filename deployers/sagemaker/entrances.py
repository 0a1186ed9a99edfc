"""Where a slot's requests go, and which release is found there."""

from __future__ import annotations

from dataclasses import dataclass

from deployers.base import Slot
from deployers.sagemaker.api import Api, Endpoint
from deployers.sagemaker.asking import is_silent
from deployers.sagemaker.bucket import Bucket
from deployers.sagemaker.calling import Entrance
from deployers.sagemaker.documents import endpoint_name
from deployers.sagemaker.looking import Look, Proof, look
from deployers.sagemaker.names import VARIANT
from deployers.sagemaker.proving import ask_server
from deployers.sagemaker.records import Records, SlotRecord
from deployers.sagemaker.settings import SagemakerSettings
from deployers.sagemaker.tracing import trace


@dataclass(frozen=True)
class Entrances:
    """Those of one target."""

    settings: SagemakerSettings
    api: Api
    bucket: Bucket

    def look(self, slot: Slot) -> Look:
        """What is really there; the release by the server's own word, or traced where none is said."""
        records = Records(self.bucket, slot)

        def prove(endpoint: Endpoint, _: SlotRecord) -> Proof:
            if is_silent(self.settings):
                return trace(self.api, records, endpoint)
            if self.settings.components is not None:
                return ask_server(self.api.amazon, self.of(slot))
            several = len(endpoint.instances) > 1
            return ask_server(self.api.amazon, Entrance(endpoint=endpoint.name, variant=VARIANT if several else None))

        return look(self.api, records, slot, prove)

    def of(self, slot: Slot) -> Entrance:
        """Where a slot's requests go: to the release's own variant, where there are others."""
        name = self.endpoint(slot)
        if self.settings.components is not None:
            return Entrance(endpoint=self.settings.components.endpoint, component=name)
        return Entrance(endpoint=name, variant=VARIANT if self.settings.variants else None)

    def endpoint(self, slot: Slot) -> str:
        """What serves the slot now; `endpoint-name` may have changed since."""
        record = Records(self.bucket, slot).read()
        return record.endpoint if record is not None and record.endpoint else endpoint_name(slot, self.settings)

    def url(self, slot: Slot) -> str:
        """Where clients invoke it; they sign their requests."""
        name, region = self.of(slot).endpoint, self.api.amazon.region
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        return f"https://runtime.sagemaker.{region}.{suffix}/endpoints/{name}/invocations"
