"""The types of records, a file each: the one place where their fields, bounds, units and meanings are written.

The JSON Schema and the tables of fields in the documents are generated from here. May import `harness.config`,
`harness.errors` and the identifiers beside it.
"""

from harness.results.records.kinds.accuracy import Accuracy
from harness.results.records.kinds.base import Base
from harness.results.records.kinds.dataset import Dataset
from harness.results.records.kinds.end import End
from harness.results.records.kinds.failure import Failure
from harness.results.records.kinds.header import Header
from harness.results.records.kinds.invocation import Invocation
from harness.results.records.kinds.peak import Peak
from harness.results.records.kinds.prepared import Prepared
from harness.results.records.kinds.scenario import Scenario
from harness.results.records.kinds.trial import Trial

_IN_ORDER = (Header, Dataset, Trial, Prepared, Accuracy, Peak, Invocation, Scenario, Failure, End)

#: The word in a record's field ``type`` -> its type, in the order of a run.
TYPES: dict[str, type[Base]] = {str(kind.__struct_config__.tag): kind for kind in _IN_ORDER}

__all__ = [
    "TYPES",
    "Accuracy",
    "Base",
    "Dataset",
    "End",
    "Failure",
    "Header",
    "Invocation",
    "Peak",
    "Prepared",
    "Scenario",
    "Trial",
]
