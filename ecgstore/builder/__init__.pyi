from .collect import CollectReport as CollectReport, collect as collect
from .from_records import build_from as build_from
from .pipeline import build_store as build_store, survey as survey
from .relabel import LabelReport as LabelReport, label_store as label_store
from .report import ScanReport as ScanReport
from .subset import convert_store as convert_store, write_subset as write_subset
