"""Data: doors for folders, archives, arrays and drawn worlds, one prepared store, and the dataset doctor."""

from leafwing.data.cache import cache_root
from leafwing.data.doctor import check
from leafwing.data.entries import BadFile
from leafwing.data.report import Report
from leafwing.data.store import Store, open_data

__all__ = ["BadFile", "Report", "Store", "cache_root", "check", "open_data"]
