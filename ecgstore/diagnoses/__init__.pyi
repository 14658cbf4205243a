from .class_sets import (
    SELECT_RULES as SELECT_RULES,
    ClassSet as ClassSet,
    DiagnosisClass as DiagnosisClass,
    is_text_code as is_text_code,
    selects as selects,
)
from .class_weights import class_weights as class_weights
from .counts import (
    CountRow as CountRow,
    DiagnosisCounts as DiagnosisCounts,
    code_names as code_names,
    count_diagnoses as count_diagnoses,
)
from .dx_text import Dx as Dx, read_dx as read_dx, shown_dx as shown_dx
from .presets import CLASS_SETS as CLASS_SETS, class_set as class_set
from .scp_ecg import ScpStatement as ScpStatement, scp_statements as scp_statements
from .snomed import Diagnosis as Diagnosis, code_of as code_of, diagnoses as diagnoses
from .weights import challenge_weights as challenge_weights
