"""``SceneFeatures``: what a model hands to its heads and planners.

Dimensions: B frames, N visual tokens, D_l width of the language model, Q
occupancy queries of width C, G overview tokens, A anchors of a planner.
"""

from dataclasses import dataclass, fields, replace

from torch import Tensor

from mmocc.structures.sparse_occ import SparseOccFeatures


@dataclass(frozen=True)
class SceneFeatures:
    """Features of B frames. A field is None where the model has none.

    A part names the fields that it reads in its attribute ``reads``; a model
    computes these and no others. Nothing here derives from the future.

    Attributes:
        visual_tokens (Tensor, optional): (B, N, D_l) last hidden states of
            the language model at what it sees: image tokens (OccVLA), or
            occupancy queries and overview tokens (SparseOccVLA).
        overview_tokens (Tensor, optional): (B, G, D_l) last hidden states at
            the global queries, which sum the scene up.
        occ_queries (SparseOccFeatures, optional): Queries of the occupancy
            encoder, with features (B, Q, C) and centres (B, Q, 3) in metres.
        occ_hidden (Tensor, optional): (B, Q, D_l) last hidden states of the
            language model at these queries.
        reasoning_token (Tensor, optional): (B, D_l) last hidden state of the
            planner's prompt.
        anchor_tokens (Tensor, optional): (B, A, D_l) last hidden states at
            the planner's anchors, each put to the language model as a token.
        answer_logits (Tensor, optional): (B, A) logits of the letters by
            which the language model chooses among the anchors.
        meta_action (Tensor, optional): (B, 18) probabilities of the pairs in
            ``META_ACTIONS``, predicted by the language model.
        ego_status (Tensor, optional): (B, 7) in the order of ``EGO_STATUS``:
            m/s, m/s2, rad/s and rad, of the key frame.
        ego_history (Tensor, optional): (B, 4, 3) x, y in metres and yaw at
            -2.0, -1.5, -1.0 and -0.5 s, in the ego frame of the key frame.
        ego_history_mask (Tensor, optional): (B, 4) bool, True where the past
            pose is known.
    """

    visual_tokens: Tensor | None = None
    overview_tokens: Tensor | None = None
    occ_queries: SparseOccFeatures | None = None
    occ_hidden: Tensor | None = None
    reasoning_token: Tensor | None = None
    anchor_tokens: Tensor | None = None
    answer_logits: Tensor | None = None
    meta_action: Tensor | None = None
    ego_status: Tensor | None = None
    ego_history: Tensor | None = None
    ego_history_mask: Tensor | None = None

    @property
    def batch_size(self) -> int:
        """Number of frames B.

        Raises:
            ValueError: If every field is None.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, SparseOccFeatures):
                return len(value.features)
            if value is not None:
                return len(value)
        raise ValueError(
            'SceneFeatures holds no feature at all; fill at least one field'
        )

    def require(
        self, name: str, reader: str, shape: tuple[int, ...] | None = None
    ) -> Tensor | SparseOccFeatures:
        """Return a field, or say who misses it.

        Args:
            name (str): Name of the field.
            reader (str): Config key of the part that reads it, for messages.
            shape (tuple[int, ...], optional): The shape that the part takes.
                Defaults to None, any.

        Raises:
            ValueError: If the field is None or has another shape.
        """
        value = getattr(self, name)
        if value is None:
            raise ValueError(
                f'{reader} reads {name}, but the model gave none; fill '
                f'SceneFeatures.{name}, or choose another {reader}'
            )
        if shape is not None and tuple(value.shape) != shape:
            raise ValueError(
                f'{reader} got {name} of shape {tuple(value.shape)}, but '
                f'takes {shape}'
            )
        return value

    def detach_language(self) -> 'SceneFeatures':
        """Return the same features without gradients to the language model."""
        language = (
            'visual_tokens',
            'overview_tokens',
            'occ_hidden',
            'reasoning_token',
            'anchor_tokens',
            'answer_logits',
        )
        known = {
            name: value.detach()
            for name in language
            if (value := getattr(self, name)) is not None
        }
        return replace(self, **known)


FEATURES = tuple(field.name for field in fields(SceneFeatures))
