"""The pixels: reading, writing and joining video. The only importer of ``av``.

Colour is made explicit on the way in (matrix, range) and tagged on the way out: everything inside
is R'G'B' with BT.709 primaries and transfer, full range; everything written is tagged bt709,
limited range. Rotation tags and non-square pixels are resolved while reading.
"""

from finishkit.frames.ahead import ahead
from finishkit.frames.carrier import CodedFrames, Frames
from finishkit.frames.check import DecodeReport, decode_report
from finishkit.frames.convert import DType
from finishkit.frames.glance import Glance, glances
from finishkit.frames.join import join_shots
from finishkit.frames.probe import (
    CONTAINERS,
    Matrix,
    Probe,
    decoder_versions,
    probe,
    untagged_matrix,
)
from finishkit.frames.read import read_frames
from finishkit.frames.write import MEZZANINE, Encoding, master_encoding, write_frames

__all__ = [
    "CONTAINERS",
    "MEZZANINE",
    "CodedFrames",
    "DType",
    "DecodeReport",
    "Encoding",
    "Frames",
    "Glance",
    "Matrix",
    "Probe",
    "ahead",
    "decode_report",
    "decoder_versions",
    "glances",
    "join_shots",
    "master_encoding",
    "probe",
    "read_frames",
    "untagged_matrix",
    "write_frames",
]
