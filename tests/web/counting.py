"""A web process of its own that is asked often, for the tests of limits that several processes share."""

from app import create_app


def ask(times: str) -> list[int]:
    """The statuses that an address gets for so many sign-ins."""
    client = create_app().test_client()
    return [client.get("/auth/start").status_code for _ in range(int(times))]
