"""`tlk backbones`."""

from __future__ import annotations

import json


def test_the_table(tlk):
    done = tlk("backbones")
    assert done.code == 0
    assert all(name in done.out for name in ("ResNet50", "InceptionV3", "ConvNeXtTiny", "alpha"))


def test_json(tlk):
    found = {item["name"]: item for item in json.loads(tlk("backbones", "--json").out)}
    assert len(found) >= 39 and found["Tiny"]["source"] == "cifar10"
    assert found["InceptionV3"]["default_size"] == 299 and found["InceptionV3"]["features"] == 2048


def test_the_blocks_of_a_network(tlk):
    done = tlk("backbones", "mobilenetv2", "--backbone-option", "alpha=0.35", "--image-size", 96)
    assert done.code == 0 and "MobileNetV2 at 96 pixels: 410,208 weights" in done.out
    stem, *_, last = [line.split() for line in done.out.splitlines() if "%" in line]
    assert (stem[0], stem[4], stem[7]) == ("stem", "100.0%", "100.0%")
    assert last == ["Conv_1", "2", "148,480", "36.2%", "36.2%", "1.3", last[6], last[6]]


def test_the_blocks_as_json(tlk):
    found = json.loads(tlk("backbones", "Tiny", "--json").out)
    assert (found["backbone"], found["image_size"]) == ("Tiny", 32)
    assert [block["block"] for block in found["blocks"]] == ["stem", "block1", "block2", "block3"]
    shares = [block["share"]["multiply_adds"] for block in found["blocks"]]
    rest = [block["from_here_on"]["multiply_adds"] for block in found["blocks"]]
    assert rest == [sum(shares[index:]) for index in range(4)]


def test_options_without_a_network_and_what_does_not_fit_are_refused(tlk):
    done = tlk("backbones", "--image-size", 96)
    assert done.code == 2 and "name it" in done.err
    assert "Did you mean 'ResNet50'" in tlk("backbones", "ResNet5").err
    assert "at least 71 pixels" in tlk("backbones", "Xception", "--image-size", 32).err
