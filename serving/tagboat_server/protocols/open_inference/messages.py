"""The protocol's messages over gRPC, described here and made when they are needed.

Names, numbers and types of fields are the published protocol's (``grpc_predict_v2.proto`` of the Open Inference
Protocol, and its ``uint64_param`` and ``double_param``). There is no generated code: that would tie a model's
environment to one version of protobuf. The descriptions are kept in a pool of their own, so that a model's own copy of
the protocol (a client library's, say) stands beside them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

PACKAGE = "inference"
SERVICE = "inference.GRPCInferenceService"


class Field(NamedTuple):
    """A field of a message. ``kind``: a scalar's name, a message's, or ``parameters`` for a map to `InferParameter`."""

    name: str
    number: int
    kind: str
    many: bool = False


TENSOR_METADATA = "ModelMetadataResponse.TensorMetadata"
INPUT = "ModelInferRequest.InferInputTensor"
REQUESTED = "ModelInferRequest.InferRequestedOutputTensor"
OUTPUT = "ModelInferResponse.InferOutputTensor"
CHOICE = "parameter_choice"

MESSAGES: dict[str, tuple[Field, ...]] = {
    "ServerLiveRequest": (),
    "ServerLiveResponse": (Field("live", 1, "bool"),),
    "ServerReadyRequest": (),
    "ServerReadyResponse": (Field("ready", 1, "bool"),),
    "ModelReadyRequest": (Field("name", 1, "string"), Field("version", 2, "string")),
    "ModelReadyResponse": (Field("ready", 1, "bool"),),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": (
        Field("name", 1, "string"),
        Field("version", 2, "string"),
        Field("extensions", 3, "string", many=True),
    ),
    "ModelMetadataRequest": (Field("name", 1, "string"), Field("version", 2, "string")),
    "ModelMetadataResponse": (
        Field("name", 1, "string"),
        Field("versions", 2, "string", many=True),
        Field("platform", 3, "string"),
        Field("inputs", 4, TENSOR_METADATA, many=True),
        Field("outputs", 5, TENSOR_METADATA, many=True),
    ),
    TENSOR_METADATA: (
        Field("name", 1, "string"),
        Field("datatype", 2, "string"),
        Field("shape", 3, "int64", many=True),
    ),
    "InferParameter": (
        Field("bool_param", 1, "bool"),
        Field("int64_param", 2, "int64"),
        Field("string_param", 3, "string"),
        Field("double_param", 4, "double"),
        Field("uint64_param", 5, "uint64"),
    ),
    "InferTensorContents": (
        Field("bool_contents", 1, "bool", many=True),
        Field("int_contents", 2, "int32", many=True),
        Field("int64_contents", 3, "int64", many=True),
        Field("uint_contents", 4, "uint32", many=True),
        Field("uint64_contents", 5, "uint64", many=True),
        Field("fp32_contents", 6, "float", many=True),
        Field("fp64_contents", 7, "double", many=True),
        Field("bytes_contents", 8, "bytes", many=True),
    ),
    "ModelInferRequest": (
        Field("model_name", 1, "string"),
        Field("model_version", 2, "string"),
        Field("id", 3, "string"),
        Field("parameters", 4, "parameters"),
        Field("inputs", 5, INPUT, many=True),
        Field("outputs", 6, REQUESTED, many=True),
        Field("raw_input_contents", 7, "bytes", many=True),
    ),
    INPUT: (
        Field("name", 1, "string"),
        Field("datatype", 2, "string"),
        Field("shape", 3, "int64", many=True),
        Field("parameters", 4, "parameters"),
        Field("contents", 5, "InferTensorContents"),
    ),
    REQUESTED: (Field("name", 1, "string"), Field("parameters", 2, "parameters")),
    "ModelInferResponse": (
        Field("model_name", 1, "string"),
        Field("model_version", 2, "string"),
        Field("id", 3, "string"),
        Field("parameters", 4, "parameters"),
        Field("outputs", 5, OUTPUT, many=True),
        Field("raw_output_contents", 6, "bytes", many=True),
    ),
    OUTPUT: (
        Field("name", 1, "string"),
        Field("datatype", 2, "string"),
        Field("shape", 3, "int64", many=True),
        Field("parameters", 4, "parameters"),
        Field("contents", 5, "InferTensorContents"),
    ),
}
"""Every message by its name within the package; a message inside another stands behind that one."""


class Classes:
    """The messages' classes by name, and the pool of descriptions that they live from. Imports protobuf."""

    def __init__(self) -> None:
        from google.protobuf import descriptor_pool, message_factory

        self.pool = descriptor_pool.DescriptorPool()
        self.pool.AddSerializedFile(file_of(MESSAGES).SerializeToString())
        self.made = {
            name: message_factory.GetMessageClass(self.pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
            for name in MESSAGES
            if "." not in name
        }

    def __getitem__(self, name: str) -> Any:
        return self.made[name]


def file_of(messages: dict[str, tuple[Field, ...]]) -> Any:
    """The description of all messages, as protobuf has them."""
    from google.protobuf import descriptor_pb2

    described = descriptor_pb2.FileDescriptorProto(name="tagboat/inference.proto", package=PACKAGE, syntax="proto3")
    made: dict[str, Any] = {}
    for name, fields in messages.items():
        outer, _, inner = name.rpartition(".")
        made[name] = made[outer].nested_type.add(name=inner) if outer else described.message_type.add(name=inner)
        for field in fields:
            add_field(made[name], name, field)
    parameter = made["InferParameter"]
    parameter.oneof_decl.add(name=CHOICE)
    for each in parameter.field:
        each.oneof_index = 0
    return described


def add_field(message: Any, name: str, field: Field) -> None:
    """Describe one field of a message."""
    many, kind = field.many, field.kind
    if kind == "parameters":
        entry = message.nested_type.add(name="ParametersEntry")
        entry.options.map_entry = True
        add_field(entry, "", Field("key", 1, "string"))
        add_field(entry, "", Field("value", 2, "InferParameter"))
        many, kind = True, f"{name}.ParametersEntry"
    made = message.field.add(name=field.name, number=field.number)
    made.label = made.LABEL_REPEATED if many else made.LABEL_OPTIONAL
    if kind in {"bool", "string", "bytes", "int32", "int64", "uint32", "uint64", "float", "double"}:
        made.type = getattr(made, f"TYPE_{kind.upper()}")
    else:
        made.type = made.TYPE_MESSAGE
        made.type_name = f".{PACKAGE}.{kind}"
