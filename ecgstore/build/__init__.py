"""Build a store from folders of records."""

from ecgstore.build.pipeline import build_store, survey
from ecgstore.build.report import ScanReport

__all__ = ["ScanReport", "build_store", "survey"]
