"""Tell an attack that succeeds from a test that cannot even begin with it."""


class Succeeded(Exception):
    """The attack did what it must not. Tests of attacks that succeed today expect this, and nothing else."""


def repelled(safe: object, what_happened: str) -> None:
    """Raise Succeeded where the safe behaviour was not seen."""
    if not safe:
        raise Succeeded(what_happened)
