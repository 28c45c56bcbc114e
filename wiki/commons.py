"""Client functions for reading Commons."""

from wiki.categories import (
    Branch,
    CategoryInfo,
    CategoryTree,
    Member,
    category_info,
    category_tree,
    new_members,
    subcategories,
)
from wiki.files import FileInfo, Kind, MissingFile, PageRef, Why, image_info, kind_of, resolve_titles
from wiki.media import download
from wiki.search import Hit, PagePile, count, haswbstatement, incategory, pagepile, search
from wiki.walk import Batch, WalkState, start, walk

__all__ = [
    "Batch",
    "Branch",
    "CategoryInfo",
    "CategoryTree",
    "FileInfo",
    "Hit",
    "Kind",
    "Member",
    "MissingFile",
    "PagePile",
    "PageRef",
    "WalkState",
    "Why",
    "category_info",
    "category_tree",
    "count",
    "download",
    "haswbstatement",
    "image_info",
    "incategory",
    "kind_of",
    "new_members",
    "pagepile",
    "resolve_titles",
    "search",
    "start",
    "subcategories",
    "walk",
]
