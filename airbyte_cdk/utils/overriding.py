"""Whether a connector brings a hook of its own, and not that of the framework's class."""

from __future__ import annotations


def overrides(instance: object, name: str, base: type) -> bool:
    """Whether `instance`, its class, or a class between it and `base` brings its own member `name`.

    If `base` has no such member, any other one is an own one.
    """
    if name in getattr(instance, "__dict__", ()):
        return True
    return getattr(type(instance), name, None) is not getattr(base, name, None)


def nearest(instance: object, names: tuple[str, ...], base: type) -> str | None:
    """Which of several members that stand for one another is the one meant: that of the most derived class.

    Within one class, the first of `names` counts. None if none of them is overridden.
    """
    for owner in (instance, *type(instance).__mro__):
        if owner is base:
            break
        for name in names:
            if name in getattr(owner, "__dict__", ()):
                return name
    return None
