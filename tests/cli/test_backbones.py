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
