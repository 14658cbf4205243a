from . import models as models, pipes as pipes, plots as plots, scores as scores
from .builder import (
    CollectReport as CollectReport,
    LabelReport as LabelReport,
    ScanReport as ScanReport,
    build_from as build_from,
    build_store as build_store,
    collect as collect,
    convert_store as convert_store,
    label_store as label_store,
    survey as survey,
    write_subset as write_subset,
)
from .config import Config as Config, make_config as make_config
from .diagnoses import (
    ClassSet as ClassSet,
    DiagnosisClass as DiagnosisClass,
    class_set as class_set,
)
from .errors import (
    ConfigError as ConfigError,
    EcgStoreError as EcgStoreError,
    RecordError as RecordError,
    RecordNotFoundError as RecordNotFoundError,
    SchemaError as SchemaError,
    StoreClosedError as StoreClosedError,
)
from .features import Measured as Measured, features_of as features_of
from .lead_names import LeadNames as LeadNames
from .record import LEADS as LEADS, MARKS as MARKS, Record as Record
from .storage import (
    Selection as Selection,
    Store as Store,
    StoredRecord as StoredRecord,
)
from .stores import fetch as fetch, open as open  # noqa: A004

__version__: str
