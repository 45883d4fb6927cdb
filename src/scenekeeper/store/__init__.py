"""The labelled dataset on disk: immutable Parquet segments, views over them, and a ledger.

In: Arrow tables of one clip. Out: a directory that DuckDB, Polars or pandas read without us. A
segment appears whole or not at all; what is there is done, which is all that resume needs.
"""

from __future__ import annotations

from scenekeeper.store.dataset import Dataset, open_dataset
from scenekeeper.store.fingerprint import fingerprint
from scenekeeper.store.ledger import Ledger
from scenekeeper.store.people import Applied
from scenekeeper.store.session import SessionInfo

__all__ = ["Applied", "Dataset", "Ledger", "SessionInfo", "fingerprint", "open_dataset"]
