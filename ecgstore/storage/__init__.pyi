from .selection import Selection as Selection
from .store import Store as Store
from .stored_record import StoredRecord as StoredRecord
