"""From a request's JSON to what a model takes, and from what it gives back to JSON."""

from tagboat_server.codecs.decoding import Decoder, Input, decoder_for
from tagboat_server.codecs.encoding import encode

__all__ = ["Decoder", "Input", "decoder_for", "encode"]
