"""`backbones`: the networks to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tl_keras.config.schema import Config
from tl_keras.core.tensorflow_setup import import_tensorflow
from tl_keras.models.backbones import BACKBONES, Backbone, find

if TYPE_CHECKING:
    from tl_keras.models.costs import BlockCost


def backbones() -> list[Backbone]:
    """Return the table of backbones, in its own order: grouped by family."""
    return list(BACKBONES.values())


@dataclass(frozen=True, slots=True)
class BackboneCosts:
    """What a network costs.

    Attributes:
        backbone: Its name.
        options: The options of its constructor that were set.
        image_size: Height and width of its input, pixels.
        blocks: Its blocks, from the input on.
    """

    backbone: str
    options: dict[str, Any]
    image_size: int
    blocks: tuple[BlockCost, ...]

    @property
    def parameters(self) -> int:
        """Number of all single weights."""
        return sum(block.parameters for block in self.blocks)

    @property
    def multiply_adds(self) -> int:
        """Of a forward pass through all blocks, for one image."""
        return sum(block.multiply_adds for block in self.blocks)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: with each block, its shares of the whole, and those from it on."""
        shares = list(map(self._share, self.blocks))
        blocks = [
            {**asdict(block), "share": share, "from_here_on": _summed(shares[index:])}
            for index, (block, share) in enumerate(zip(self.blocks, shares, strict=True))
        ]
        return {**asdict(self), "blocks": blocks}

    def _share(self, block: BlockCost) -> dict[str, float]:
        return {
            "parameters": block.parameters / self.parameters,
            "multiply_adds": block.multiply_adds / self.multiply_adds,
        }


def _summed(shares: Sequence[dict[str, float]]) -> dict[str, float]:
    return {size: sum(share[size] for share in shares) for size in ("parameters", "multiply_adds")}


def backbone_costs(config: Config) -> BackboneCosts:
    """Return what each block of the configured network costs; its weights are neither loaded nor made.

    Raises:
        ConfigError: The backbone, an option or the image size does not exist or does not fit.
    """
    import_tensorflow()
    import keras

    from tl_keras.models.backbone import build_base
    from tl_keras.models.costs import block_costs

    backbone = find(config.model.backbone)
    size = config.data.image_size or backbone.default_size
    with keras.StatelessScope(initialize_variables=False):
        base = build_base(backbone, config.model.options, size, "none")
    return BackboneCosts(backbone.name, config.model.options, size, tuple(block_costs(base, backbone)))
