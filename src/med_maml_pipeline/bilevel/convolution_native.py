"""Whether the native kernel of `Conv4` was built."""

__all__ = ["native_available"]


def native_available() -> bool:
    """Whether the library lies beside this package."""
    return False
