"""Writing to a repository of Icechunk: a commit whenever regions are complete.

A session of Icechunk holds what is written until it is committed, and is closed by that. Here a
store commits on request and goes on in a new session of the same branch, so what reads the branch
sees whole regions only, and a call that was interrupted goes on from the last commit.
"""

from __future__ import annotations

from typing import Any

from xsm.errors import InputError

BRANCH = "main"


def is_repository(path: Any) -> bool:
    """Whether `path` is an ``icechunk.Repository``, without importing the package."""
    return type(path).__module__.partition(".")[0] == "icechunk" and hasattr(
        path, "writable_session"
    )


def committing_store(repository: Any) -> Any:
    """A Zarr store on a branch of a repository, which :func:`commit` makes permanent."""
    from zarr.storage import WrapperStore

    class CommittingStore(WrapperStore[Any]):
        """A store whose session is followed by another after a commit."""

        def __init__(self, store: Any) -> None:
            super().__init__(store)
            self.conflict: type[Exception] = _conflict_error()

        def commit(self, message: str) -> None:
            session = self._store.session
            if not session.has_uncommitted_changes:
                return
            try:
                session.commit(message)
            except self.conflict as error:
                raise InputError(
                    f"the branch {BRANCH!r} of the repository was changed by another writer: "
                    f"{error}. What it wrote is kept; call again, alone, to write the rest."
                ) from error
            self._store = repository.writable_session(BRANCH).store

    return CommittingStore(repository.writable_session(BRANCH).store)


def commit(store: Any, message: str) -> None:
    """Commit what was written to a :func:`committing_store`; other stores have it already."""
    if hasattr(store, "commit"):
        store.commit(message)


def _conflict_error() -> type[Exception]:
    import icechunk

    return icechunk.ConflictError
