"""Why a clip is set aside: a code for programs, a sentence and a cure for people."""

_AGAIN = "Export or generate the shot again"
REASONS = {
    "missing": ("The file is not there", "Check the name in shots.csv"),
    "not_a_file": (
        "It is a folder, a pipe, a device or a link to nowhere, not a clip",
        "Put the clip itself there",
    ),
    "no_access": ("The file may not be read", "Give yourself the right to read it"),
    "empty": ("The file holds no bytes", _AGAIN),
    "too_large": (
        "It is larger than a shot can be",
        "Give the shot alone, at most 10 minutes and 4320x7680",
    ),
    "unreadable": ("It is not a video file, or its index is missing", _AGAIN),
    "codec": (
        "Its pictures are coded in a way that is not decoded here",
        "Export it as H.264, HEVC, AV1, VP9 or ProRes",
    ),
    "no_video": ("It holds no picture track", _AGAIN),
    "no_frames": ("Not one picture could be decoded", _AGAIN),
    "undecodable": ("Decoding breaks off", _AGAIN),
    "truncated": ("It holds fewer pictures than it promises", _AGAIN),
    "damaged": ("The decoder met errors in the picture data", _AGAIN),
    "bad_times": ("The pictures are not in order of time", _AGAIN),
    "hdr": (
        "HDR (PQ or HLG) needs a decision about tone mapping; only SDR is finished",
        "Deliver the shot in SDR, BT.709",
    ),
    "timeout": (
        "Checking it made no progress and was ended, twice",
        "Copy it to a disk of this machine; if that does not help, export the shot again",
    ),
    "killed": (
        "The checking process died over it, twice: the file is dangerous to decode",
        "Export or generate the shot again, and open this file nowhere else",
    ),
    "changed": (
        "The file changed while it was read",
        "Wait until it is written to its end, and run the same command again",
    ),
}
"""Why a clip is set aside: reason code to sentence and cure."""

CODES = {code: sentence for code, (sentence, _) in REASONS.items()}
