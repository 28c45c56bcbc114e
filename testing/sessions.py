"""Session cookies of signed-in users, made without the sign-in flow."""

from flask import Flask


def cookies(app: Flask, user_id: int) -> dict[str, str]:
    """Return the session cookie of a signed-in user, keyed by the cookie's name."""
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    return {app.config["SESSION_COOKIE_NAME"]: serializer.dumps({"user": user_id, "epoch": 0, "_permanent": True})}
