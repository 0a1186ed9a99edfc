"""From a request to what a model takes, checked against its signature, and from what it gives back to JSON."""

from tagboat_server.codecs.arrays import Fitting
from tagboat_server.codecs.decoding import Decoder, Input, decoder_for
from tagboat_server.codecs.encoding import encode

__all__ = ["Decoder", "Fitting", "Input", "decoder_for", "encode"]
