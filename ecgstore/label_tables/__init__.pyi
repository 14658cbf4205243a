from .given_columns import GivenColumns as GivenColumns
from .header_labels import HeaderLabels as HeaderLabels, header_labels as header_labels
from .record_tables import (
    Description as Description,
    FoundRecord as FoundRecord,
    RecordTables as RecordTables,
    read_patients as read_patients,
    read_tables as read_tables,
    tables_of_build as tables_of_build,
)
from .row import TableRow as TableRow
from .table import LabelTable as LabelTable, read_label_table as read_label_table
