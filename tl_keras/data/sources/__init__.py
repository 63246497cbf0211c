"""Where labelled images come from: one module per kind of source."""

from tl_keras.data.sources.read import read_source
from tl_keras.data.sources.source import Source

__all__ = ["Source", "read_source"]
