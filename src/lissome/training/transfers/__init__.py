"""What a student takes over from its teacher: ``ls.transfers.AttentionTransfer()`` and the like."""

from lissome.training.transfers.attention_transfer import AttentionTransfer
from lissome.training.transfers.decoupled_targets import DecoupledTargets
from lissome.training.transfers.feature_hints import FeatureHints
from lissome.training.transfers.relations import Relations
from lissome.training.transfers.soft_targets import SoftTargets
from lissome.training.transfers.transfer import Answer, FeatureTransfer, Transfer

__all__ = [
    "Answer",
    "AttentionTransfer",
    "DecoupledTargets",
    "FeatureHints",
    "FeatureTransfer",
    "Relations",
    "SoftTargets",
    "Transfer",
]
