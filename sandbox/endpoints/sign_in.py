"""OAuth endpoints and sign-in pages: authorization, login, consent, access tokens and resources."""

from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, current_app, jsonify, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from sandbox.endpoints.media import page_of_error, world
from sandbox.state import oauth
from sandbox.state.model import Json
from sandbox.state.oauth import BadRequest, Codes, OAuthError

bp = Blueprint("signin", __name__)
COOKIE = "sandbox_user"


def _codes() -> Codes:
    found = current_app.extensions.setdefault("oauth_codes", Codes())
    assert isinstance(found, Codes)
    return found


def _here() -> str:
    return f"{request.path}?{request.query_string.decode()}"


@bp.get("/w/rest.php/oauth2/authorize")
@bp.get("/meta/w/rest.php/oauth2/authorize")
def authorize() -> AnyResponse:
    """Redirect an authorization request to the login page, then to the consent page, then back to the client."""
    try:
        authorization = oauth.read_authorization_request(world(), request)
    except BadRequest as error:
        return page_of_error(error.status, str(error))
    unknown = oauth.unknown_scope(request)
    if unknown:
        return redirect(oauth.scope_refused(authorization, unknown), 302)
    user = request.cookies.get(COOKIE, "")
    if not user:
        return redirect(f"/wiki/Special:UserLogin?{urlencode({'returnto': _here()})}", 307)
    if "approval_cancel" in request.args:
        return redirect(oauth.denied(authorization), 302)
    if "approval_pass" in request.args and request.cookies.get("sandbox_approved") == "yes":
        with world().lock:
            answer = redirect(oauth.grant_code(world(), _codes(), authorization, world().user(user).name), 302)
        answer.delete_cookie("sandbox_approved")
        return answer
    fields = {"returnto": request.path, "returntoquery": request.query_string.decode()}
    fields |= {"client_id": authorization.consumer.id, "oauth_version": "2", "scope": " ".join(authorization.scopes)}
    return redirect(f"/wiki/Special:OAuth/approve?{urlencode(fields)}", 307)


@bp.get("/wiki/Special:UserLogin")
def login_page() -> str:
    """Render the login page, where the user picks a name; the sandbox has no passwords."""
    names = [name for name in world().state.users if name not in ("Sandbox", "Volunteer")]
    return render_template("login.html", names=names, returnto=request.args.get("returnto", "/wiki/"))


@bp.post("/wiki/Special:UserLogin")
def login() -> AnyResponse:
    """Sign the browser in under the chosen name, creating the account if necessary."""
    name = " ".join(request.form.get("wpName", "").replace("_", " ").split())
    if not name or any(letter in name for letter in "#<>[]|{}@:/"):
        return page_of_error(400, "That is no user name. Go back and pick another.")
    with world().lock:
        user = world().user(name)
    back = _local(request.form.get("returnto", ""))
    answer = make_response(redirect(back, 302))
    answer.set_cookie(COOKIE, user.name, httponly=True, samesite="Lax")
    return answer


def _local(target: str) -> str:
    """Return the target if it is a path of this server, else the main page; this prevents open redirects."""
    parts = urlsplit(target)
    return target if target.startswith("/") and not target.startswith("//") and not parts.netloc else "/wiki/"


@bp.get("/wiki/Special:OAuth/approve")
def approve_page() -> str | AnyResponse:
    """Render the page that asks whether the client may act for the user."""
    consumer = world().state.consumers.get(request.args.get("client_id", ""))
    if consumer is None:
        return page_of_error(401, "There is no such client.")
    return render_template("approve.html", consumer=consumer, user=request.cookies.get(COOKIE, ""), args=request.args)


@bp.post("/wiki/Special:OAuth/approve")
def approve() -> AnyResponse:
    """Handle the consent form: the button `accept` approves, `cancel` rejects the request."""
    target = _local(request.form.get("returnto", ""))
    query = request.form.get("returntoquery", "")
    verdict = "approval_pass=1" if "accept" in request.form else "approval_cancel=1"
    answer = make_response(redirect(f"{target}?{query}&{verdict}", 302))
    answer.set_cookie("sandbox_approved", "yes" if "accept" in request.form else "no", httponly=True, samesite="Lax")
    return answer


@bp.post("/w/rest.php/oauth2/access_token")
@bp.post("/meta/w/rest.php/oauth2/access_token")
def access_token() -> Response | tuple[Response, int]:
    """Exchange an authorization code or a refresh token for new tokens."""
    if request.mimetype == "application/json":
        text = {"en": "Unsupported Content-Type: application/json"}
        body: Json = {"errorKey": "rest-unsupported-content-type", "messageTranslations": text, "httpCode": 415}
        return jsonify(body | {"httpReason": "Unsupported Media Type"}), 415
    world().counts.requests[f"oauth:{request.form.get('grant_type', '')}"] += 1
    try:
        with world().lock:
            answer = jsonify(oauth.token(world(), _codes(), request))
    except OAuthError as error:
        return jsonify(error.body), error.status
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Content-Type"] = "application/json; charset=UTF-8"
    return answer


@bp.get("/w/rest.php/oauth2/resource/<kind>")
@bp.get("/meta/w/rest.php/oauth2/resource/<kind>")
def resource(kind: str) -> Response | tuple[Response, int]:
    """Return the profile or the scopes of the access token's user."""
    world().counts.requests[f"oauth:{kind}"] += 1
    if kind not in ("profile", "scopes"):
        text = {"en": f'Unrecognized value for parameter "type": {kind}.'}
        body: Json = {"error": "parameter-validation-failed", "name": "type", "value": kind, "failureCode": "badvalue"}
        body |= {"failureData": [], "errorKey": "badvalue", "messageTranslations": text, "httpCode": 400}
        return jsonify(body | {"httpReason": "Bad Request"}), 400
    try:
        with world().lock:
            return jsonify(oauth.resource(world(), request, kind))
    except OAuthError as error:
        return jsonify(error.body), error.status


@bp.get("/wiki/Special:UserLogout")
def logout() -> AnyResponse:
    """Sign the browser out; the clients' tokens remain valid."""
    answer = make_response(redirect("/wiki/", 302))
    answer.delete_cookie(COOKIE)
    return answer


@bp.post("/wiki/Special:OAuthManageMyGrants")
def revoke() -> AnyResponse:
    """Revoke all grants of the signed-in user."""
    name = request.cookies.get(COOKIE, "")
    with world().lock:
        oauth.revoke(world(), name)
    return redirect("/wiki/", 302)
