"""Protocols: the methods that exchangeable parts must have.

A config names parts by ``type``; a model knows them by these protocols alone.
:func:`missing_members` compares a class with a protocol before it is built.

Dimensions: B frames, N texts a frame, L tokens a text, D the width of the
language model.
"""

from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from mmocc.structures.scene_features import SceneFeatures
from mmocc.structures.tokens import TextBatch

if TYPE_CHECKING:
    from mmengine.structures import BaseDataElement

    from mmocc.structures.occ_data_sample import OccDataSample


class OccHead(Protocol):
    """Features of the scene to occupancy."""

    def loss(
        self, feats: Any, data_samples: 'list[OccDataSample]'
    ) -> dict[str, Tensor]:
        """Compare with ``gt_occ``; return losses by name."""

    def predict(
        self, feats: Any, data_samples: 'list[OccDataSample]'
    ) -> 'list[BaseDataElement]':
        """Return the ``pred_occ`` of each frame."""


class Planner(Protocol):
    """Features of the scene to a trajectory for the next 3 s.

    Attributes:
        reads (tuple[str, ...]): Fields of :class:`SceneFeatures` that this
            planner reads.
    """

    reads: tuple[str, ...]

    def loss(
        self, scene: SceneFeatures, data_samples: 'list[OccDataSample]'
    ) -> dict[str, Tensor]:
        """Compare with ``gt_ego.fut_trajs``; return losses by name."""

    def predict(
        self, scene: SceneFeatures, data_samples: 'list[OccDataSample]'
    ) -> 'list[BaseDataElement]':
        """Return the ``pred_ego`` of each frame: ``trajs`` and ``scores``."""


class Forecaster(Protocol):
    """Features of the scene to occupancy of the next 3 s.

    Attributes:
        reads (tuple[str, ...]): Fields of :class:`SceneFeatures` that this
            forecaster reads.
    """

    reads: tuple[str, ...]

    def loss(
        self,
        scene: SceneFeatures,
        data_samples: 'list[OccDataSample]',
        targets: Any,
    ) -> dict[str, Tensor]:
        """Compare with the targets of each step; return losses by name."""

    def predict(
        self, scene: SceneFeatures, data_samples: 'list[OccDataSample]'
    ) -> Any:
        """Return the forecast of all steps."""


class LanguageModel(Protocol):
    """A language model that runs over embeddings.

    Attributes:
        embed_dims (int): Width D.
    """

    embed_dims: int

    def embed_text(self, input_ids: Tensor) -> Tensor:
        """Embed token ids (..., L) as (..., L, D)."""

    def logits(self, hidden: Tensor, vocabulary: Tensor | None) -> Tensor:
        """Map hidden states (..., D) to scores of the vocabulary."""


class CausalLanguageModel(LanguageModel, Protocol):
    """A language model with a key-value cache, for SparseQueryBridge."""

    def new_cache(self) -> Any:
        """Return an empty key-value cache."""


class ImageLanguageModel(LanguageModel, Protocol):
    """A language model that sees images, for VLOBridge.

    Attributes:
        first_position (int): Rotary position of the first token.
        image_size (int): Height and width of an image in pixels.
        tokens_per_side (int): Tokens in a row of an image.
    """

    first_position: int
    image_size: int
    tokens_per_side: int

    def embed_images(self, imgs: Tensor) -> Tensor:
        """Turn images (B, V, 3, H, W) into tokens (B, n_image, D)."""


class VisionLanguageBridge(Protocol):
    """A module that runs a language model over visual features and texts.

    Attributes:
        vlm (LanguageModel): The language model.
    """

    vlm: LanguageModel

    def remember(self, scene: Any) -> tuple[Any, Any]:
        """Encode the visual part once; return hidden states and a memory."""

    def read(self, memory: Any, input_ids: Tensor, valid: Tensor) -> Tensor:
        """Continue texts (B, N, L) behind a memory: (B, N, L, D)."""

    def read_phrases(
        self, memory: Any, contexts: list[Tensor], phrases: list[Tensor]
    ) -> Tensor:
        """Return hidden states before each token of phrases, (B, K, P, D)."""

    def text_loss(self, hidden: Tensor, text: TextBatch) -> Tensor:
        """Return the next-token cross-entropy of the answers."""


class VLA(Protocol):
    """A vision-language-action model, as ``mmocc.apis`` calls it.

    Attributes:
        num_history (int): Past key frames whose images the model reads.
    """

    num_history: int

    def encode_scene(
        self, inputs: dict[str, Tensor], data_samples: 'list[OccDataSample]'
    ) -> Any:
        """Encode multi-view images into what the other parts read."""

    def extract_feat(self, imgs: Tensor) -> list[Tensor]:
        """Compute feature maps of images, each image alone."""

    def predict(
        self, inputs: dict[str, Tensor], data_samples: 'list[OccDataSample]'
    ) -> 'list[OccDataSample]':
        """Fill the ``pred_*`` fields of each sample."""

    def predict_with_memory(
        self, inputs: dict[str, Tensor], data_samples: 'list[OccDataSample]'
    ) -> 'tuple[list[OccDataSample], Any]':
        """Predict, and return the memory that later questions continue."""

    def answer_questions(
        self, memory: Any, data_samples: 'list[OccDataSample]'
    ) -> None:
        """Fill ``pred_text`` of frames that were encoded before."""


def missing_members(cls: type, protocol: type) -> list[str]:
    """List what a class lacks of a protocol.

    Args:
        cls (type): The class of a part; nothing is built.
        protocol (type): One of this module.

    Returns:
        list[str]: Names of methods, and of attributes that the class neither
        defines nor annotates.
    """
    wanted, declared = [], set()
    for base in protocol.__mro__:
        if base.__module__ == __name__:
            wanted += [
                *getattr(base, '__annotations__', ()),
                *(n for n in vars(base) if not n.startswith('_')),
            ]
    for base in cls.__mro__:
        declared |= set(getattr(base, '__annotations__', ()))
    return sorted(
        name
        for name in set(wanted)
        if name not in declared and not hasattr(cls, name)
    )
