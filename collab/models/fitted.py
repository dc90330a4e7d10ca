"""Modules whose statistics are measured, so that only who has fitted them knows their shapes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from typing_extensions import override


class Fitted(nn.Module):
    """A module whose buffers take whatever shapes a stored state has."""

    @override
    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *others: Any) -> None:
        for name, buffer in self.named_buffers(recurse=False):
            if (stored := state.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(stored, device=buffer.device))
        super()._load_from_state_dict(state, prefix, *others)
