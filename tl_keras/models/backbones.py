"""The table of backbones: what is known of each network without loading TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Literal

from tl_keras.core.wording import did_you_mean
from tl_keras.errors import ConfigError

Preprocessing = Literal["tf", "caffe", "torch", "none"]


@dataclass(frozen=True, slots=True)
class BlockNames:
    """How the names of a network's layers tell its blocks.

    Attributes:
        pattern: Regular expression, searched for in a layer's name; its first group tells the block.
        listed: All blocks from the input on, for people; `..` stands for the numbers in between.
        name: The block's name, with `{}` for that group.
        ends: The pattern matches only a block's last layer; the layers between two ends have names
            such as `conv2d_17` whose numbers differ from process to process.
    """

    pattern: str
    listed: str
    name: str = "{}"
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Backbone:
    """A pretrained network without its classifier: of `keras.applications`, or our own.

    Attributes:
        name: The constructor's name in `keras.applications`, or ours.
        module: The submodule of `keras.applications` that has its `preprocess_input`; empty for our own.
        default_size: Height and width of the images it was trained on, pixels.
        min_size: Smallest height and width it accepts, pixels.
        features: Channels of its last feature map, with default options.
        preprocessing: `tf`: to [-1, 1]; `caffe`: BGR minus the ImageNet means; `torch`: ImageNet mean 0
            and deviation 1 per channel; `none`: pixels 0..255, the network scales them itself.
        blocks: How its blocks are found.
        parameters: Number of weights, with default options.
        options: Constructor arguments that change the network.
        source: The images that its pretrained weights were trained on; those of CIFAR-10 are shipped with
            this package, those of ImageNet are downloaded once.
    """

    name: str
    module: str
    default_size: int
    min_size: int
    features: int
    preprocessing: Preprocessing
    blocks: BlockNames
    parameters: int
    options: tuple[str, ...] = ()
    source: Literal["imagenet", "cifar10"] = "imagenet"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


_INCEPTION = BlockNames(r"^(mixed\d+)$", "mixed0..mixed10", ends=True)
_INCEPTION_RESNET = BlockNames(
    r"^(mixed_\d[ab]$|block\d+_\d+(?=_ac$)|block8_10(?=_conv$)|conv_7b(?=_ac$))",
    "mixed_5b block35_1..block35_10 mixed_6a block17_1..block17_20 mixed_7a block8_1..block8_10 conv_7b",
    ends=True,
)
_RESNET = BlockNames(r"^(conv\d)_", "conv1..conv5")
_RESNET_V2 = BlockNames(r"^(conv\d|post)_", "conv1..conv5 post")
_MOBILENET = BlockNames(r"^conv_(?:pad|dw|pw)_(\d+)", "stem conv_1..conv_13", name="conv_{}")
_MOBILENET_V2 = BlockNames(
    r"^(expanded_conv|block_\d+|Conv_1)(?:_|$)", "stem expanded_conv block_1..block_16 Conv_1"
)
_V3_PATTERN = r"^(expanded_conv(?:_\d+)?|conv_1)(?:_|$)"
_V3_SMALL = BlockNames(_V3_PATTERN, "stem expanded_conv expanded_conv_1..expanded_conv_10 conv_1")
_V3_LARGE = BlockNames(_V3_PATTERN, "stem expanded_conv expanded_conv_1..expanded_conv_14 conv_1")
_EFFICIENTNET = BlockNames(r"^(block\d|top)", "stem block1..block7 top")
_EFFICIENTNET_6 = BlockNames(r"^(block\d|top)", "stem block1..block6 top")
_CONVNEXT = BlockNames(
    r"_(stage_\d|downsampling_block_\d)",
    "stem stage_0 downsampling_block_0 stage_1 downsampling_block_1 stage_2 downsampling_block_2 stage_3",
)
_DENSENET = BlockNames(r"^(conv\d|pool[234])_", "conv1 conv2 pool2 conv3 pool3 conv4 pool4 conv5")
_XCEPTION = BlockNames(r"^(block\d+)_", "block1..block14")
_VGG = BlockNames(r"^(block\d+)_", "block1..block5")
_NASNET = BlockNames(
    r"^(?:stem_bn|adjust|normal|reduction|separable).*?_(stem_\d|reduce_\d+|\d+)$",
    "stem cell_stem_1..cell_stem_2 cell_0..cell_3 cell_reduce_4 cell_5..cell_8 cell_reduce_8 cell_9..cell_12",
    name="cell_{}",
)
_TINY = BlockNames(r"^(stem|block\d)_", "stem block1..block3")

_V1_OPTIONS = ("alpha", "depth_multiplier")
_V3_OPTIONS = ("alpha", "minimalistic")

_ROWS = (
    Backbone("InceptionV3", "inception_v3", 299, 75, 2048, "tf", _INCEPTION, 21_802_784),
    Backbone("InceptionResNetV2", "inception_resnet_v2", 299, 75, 1536, "tf", _INCEPTION_RESNET, 54_336_736),
    Backbone("Xception", "xception", 299, 71, 2048, "tf", _XCEPTION, 20_861_480),
    Backbone("ResNet50", "resnet", 224, 32, 2048, "caffe", _RESNET, 23_587_712),
    Backbone("ResNet101", "resnet", 224, 32, 2048, "caffe", _RESNET, 42_658_176),
    Backbone("ResNet152", "resnet", 224, 32, 2048, "caffe", _RESNET, 58_370_944),
    Backbone("ResNet50V2", "resnet_v2", 224, 32, 2048, "tf", _RESNET_V2, 23_564_800),
    Backbone("ResNet101V2", "resnet_v2", 224, 32, 2048, "tf", _RESNET_V2, 42_626_560),
    Backbone("ResNet152V2", "resnet_v2", 224, 32, 2048, "tf", _RESNET_V2, 58_331_648),
    Backbone("MobileNet", "mobilenet", 224, 32, 1024, "tf", _MOBILENET, 3_228_864, _V1_OPTIONS),
    Backbone("MobileNetV2", "mobilenet_v2", 224, 32, 1280, "tf", _MOBILENET_V2, 2_257_984, ("alpha",)),
    Backbone("MobileNetV3Small", "mobilenet_v3", 224, 32, 576, "none", _V3_SMALL, 939_120, _V3_OPTIONS),
    Backbone("MobileNetV3Large", "mobilenet_v3", 224, 32, 960, "none", _V3_LARGE, 2_996_352, _V3_OPTIONS),
    Backbone("EfficientNetB0", "efficientnet", 224, 32, 1280, "none", _EFFICIENTNET, 4_049_571),
    Backbone("EfficientNetB1", "efficientnet", 240, 32, 1280, "none", _EFFICIENTNET, 6_575_239),
    Backbone("EfficientNetB2", "efficientnet", 260, 32, 1408, "none", _EFFICIENTNET, 7_768_569),
    Backbone("EfficientNetB3", "efficientnet", 300, 32, 1536, "none", _EFFICIENTNET, 10_783_535),
    Backbone("EfficientNetB4", "efficientnet", 380, 32, 1792, "none", _EFFICIENTNET, 17_673_823),
    Backbone("EfficientNetB5", "efficientnet", 456, 32, 2048, "none", _EFFICIENTNET, 28_513_527),
    Backbone("EfficientNetB6", "efficientnet", 528, 32, 2304, "none", _EFFICIENTNET, 40_960_143),
    Backbone("EfficientNetB7", "efficientnet", 600, 32, 2560, "none", _EFFICIENTNET, 64_097_687),
    Backbone("EfficientNetV2B0", "efficientnet_v2", 224, 32, 1280, "none", _EFFICIENTNET_6, 5_919_312),
    Backbone("EfficientNetV2B1", "efficientnet_v2", 240, 32, 1280, "none", _EFFICIENTNET_6, 6_931_124),
    Backbone("EfficientNetV2B2", "efficientnet_v2", 260, 32, 1408, "none", _EFFICIENTNET_6, 8_769_374),
    Backbone("EfficientNetV2B3", "efficientnet_v2", 300, 32, 1536, "none", _EFFICIENTNET_6, 12_930_622),
    Backbone("EfficientNetV2S", "efficientnet_v2", 384, 32, 1280, "none", _EFFICIENTNET_6, 20_331_360),
    Backbone("EfficientNetV2M", "efficientnet_v2", 480, 32, 1280, "none", _EFFICIENTNET, 53_150_388),
    Backbone("EfficientNetV2L", "efficientnet_v2", 480, 32, 1280, "none", _EFFICIENTNET, 117_746_848),
    Backbone("ConvNeXtTiny", "convnext", 224, 32, 768, "none", _CONVNEXT, 27_820_128),
    Backbone("ConvNeXtSmall", "convnext", 224, 32, 768, "none", _CONVNEXT, 49_454_688),
    Backbone("ConvNeXtBase", "convnext", 224, 32, 1024, "none", _CONVNEXT, 87_566_464),
    Backbone("ConvNeXtLarge", "convnext", 224, 32, 1536, "none", _CONVNEXT, 196_230_336),
    Backbone("DenseNet121", "densenet", 224, 32, 1024, "torch", _DENSENET, 7_037_504),
    Backbone("DenseNet169", "densenet", 224, 32, 1664, "torch", _DENSENET, 12_642_880),
    Backbone("DenseNet201", "densenet", 224, 32, 1920, "torch", _DENSENET, 18_321_984),
    Backbone("VGG16", "vgg16", 224, 32, 512, "caffe", _VGG, 14_714_688),
    Backbone("VGG19", "vgg19", 224, 32, 512, "caffe", _VGG, 20_024_384),
    Backbone("NASNetMobile", "nasnet", 224, 32, 1056, "tf", _NASNET, 4_269_716),
    Backbone("Tiny", "", 32, 32, 336, "tf", _TINY, 908_984, source="cifar10"),
)

BACKBONES: Mapping[str, Backbone] = MappingProxyType({row.name: row for row in _ROWS})


def find(name: str) -> Backbone:
    """Return the backbone called `name`, in any case.

    Raises:
        ConfigError: There is none of that name.
    """
    for backbone in BACKBONES.values():
        if backbone.name.lower() == name.strip().lower():
            return backbone
    raise ConfigError(
        f"Unknown backbone {name!r}.{did_you_mean(name, BACKBONES)}\nList them with: tlk backbones"
    )
