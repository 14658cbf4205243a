from .pipeline import build_store as build_store, survey as survey
from .report import ScanReport as ScanReport
