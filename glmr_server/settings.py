"""Django settings for every way to run. Each choice is an environment variable with a safe default.

Without GLMR_DATABASE_URL and GLMR_BROKER_URL the embedded services of the data directory are used.
"""

from __future__ import annotations

import datetime
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from glmr_server import environment as env
from glmr_server.embedded import addresses

BASE_DIR = Path(__file__).resolve().parent.parent
# Everything that must survive a restart: database, broker log, uploads, secret key.
DATA_DIR = Path(env.text("GLMR_DATA_DIR", str(BASE_DIR / "data"))).expanduser().resolve()

DEBUG = env.flag("GLMR_DEBUG", False)
HTTPS = env.flag("GLMR_HTTPS", False)  # the server is reached through a TLS proxy

# --- Secret key ------------------------------------------------------------------------------------
SECRET_KEY_FILE = DATA_DIR / "secret_key"


def _secret_key() -> str:
    given = env.text("GLMR_SECRET_KEY", "")
    if given:
        return given
    if SECRET_KEY_FILE.is_file():
        return SECRET_KEY_FILE.read_text().strip()
    # Good enough for commands that sign nothing. `glmr_server.serve web` refuses to start with it,
    # because every restart would sign everyone out.
    return secrets.token_urlsafe(50)


SECRET_KEY = _secret_key()

# --- Applications ----------------------------------------------------------------------------------
INSTALLED_APPS = [
    "annotation",  # first: its templates come before those of Django's administration
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "axes",
]

MIDDLEWARE = [
    "annotation.api.middleware.compress",
    "annotation.api.middleware.problem_details",
    "django.middleware.security.SecurityMiddleware",
    "glmr_server.security.content_security_policy",
    "glmr_server.security.keep_private",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "glmr_server.security.refuse_control_characters",
    "glmr_server.security.refuse_oversized_upload",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "annotation.web.session_rules.session_rules",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "glmr_server.urls"
WSGI_APPLICATION = "glmr_server.wsgi.application"
ASGI_APPLICATION = "glmr_server.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database --------------------------------------------------------------------------------------
DATABASE_URL = env.url(
    "GLMR_DATABASE_URL",
    addresses.database_url(DATA_DIR),
    ("postgresql", "postgres"),
    "postgresql://user:password@host:5432/glmr",
)
# 0: one connection per thread, kept for a minute. Above 0: a psycopg pool of at most that size.
DATABASE_POOL_SIZE = env.whole_number("GLMR_DATABASE_POOL_SIZE", 0)


def _database(address: str) -> dict[str, Any]:
    try:
        parts = {key: value for key, value in conninfo_to_dict(address).items() if value is not None}
    except ProgrammingError:
        # The address may hold a password: name the variable, do not repeat its value.
        raise env.BadSetting("GLMR_DATABASE_URL", "***", "postgresql://user:secret@host:5432/glmr") from None
    options: dict[str, Any] = {"connect_timeout": 10, "application_name": "glmr-server"}
    if DATABASE_POOL_SIZE:
        options["pool"] = {"min_size": 1, "max_size": DATABASE_POOL_SIZE, "timeout": 10}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", "glmr"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": str(parts.pop("port", "")),
        "CONN_MAX_AGE": 0 if DATABASE_POOL_SIZE else 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options | parts,
    }


DATABASES = {"default": _database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Broker (read by glmr_server.celery) -----------------------------------------------------------
BROKER_URL = env.url(
    "GLMR_BROKER_URL",
    addresses.broker_url(DATA_DIR),
    ("redis", "rediss", "redis+socket", "amqp", "amqps"),
    "redis://host:6379/0 or amqp://user:password@host:5672//",
)


# --- Cache -----------------------------------------------------------------------------------------
def _redis_address(broker_url: str) -> str:
    """The broker's address as redis-py writes it; empty if the broker is no Redis."""
    scheme, _, rest = broker_url.partition("://")
    if scheme == "redis+socket":
        path, _, database = rest.partition("?virtual_host=")
        return f"unix://{unquote(path)}?db={database or 0}"
    return broker_url if scheme in ("redis", "rediss") else ""


_REDIS_SCHEMES = ("redis", "rediss", "unix")
REDIS_URL = env.url("GLMR_REDIS_URL", _redis_address(BROKER_URL), _REDIS_SCHEMES, "redis://host:6379/1")
# "shared" holds counts of all web processes. What reads it must work on while Redis is away.
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "shared": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "glmr",
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5},
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "shared"},
}

# --- The model -------------------------------------------------------------------------------------
# The path of a folder. Only the worker opens it with torch.
GLMR_CHECKPOINT = Path(
    env.text("GLMR_CHECKPOINT", str(BASE_DIR / "models_ml" / "checkpoints" / "glmr-0.6"))
).expanduser()
GLMR_DEVICE = env.text("GLMR_DEVICE", "auto")  # "auto", "cpu", "cuda", "cuda:1"

# --- Work ------------------------------------------------------------------------------------------
GLMR_BATCH_SIZE = env.whole_number("GLMR_BATCH_SIZE", 64, minimum=1)  # spectra per claim; hundreds on a GPU
GLMR_EMBED_CHUNK = env.whole_number("GLMR_EMBED_CHUNK", 2048, minimum=1)  # molecules between checks for jobs
GLMR_TORCH_THREADS = env.whole_number("GLMR_TORCH_THREADS", 0)  # per worker; 0: torch decides
GLMR_LEASE_S = env.whole_number("GLMR_LEASE_S", 120, minimum=5)
GLMR_HEARTBEAT_S = env.whole_number("GLMR_HEARTBEAT_S", 10, minimum=1)
GLMR_RING_S = env.whole_number("GLMR_RING_S", 10, minimum=1)  # how often beat rings the doorbell
GLMR_MAX_ATTEMPTS = env.whole_number("GLMR_MAX_ATTEMPTS", 3, minimum=1)

GLMR_CHANGE_DAYS = env.whole_number(
    "GLMR_CHANGE_DAYS", 30, minimum=1
)  # the feed of changes reaches back so far
GLMR_EXPORT_DAYS = env.whole_number("GLMR_EXPORT_DAYS", 7, minimum=1)  # then the file is deleted

# --- Webhooks (annotation.webhooks) ------------------------------------------------------------------
# Targets besides public addresses over HTTPS, such as a LIMS of the local network.
WEBHOOK_ALLOWED_HOSTS, WEBHOOK_ALLOWED_NETWORKS = env.hosts_and_networks("GLMR_WEBHOOK_ALLOW")
GLMR_WEBHOOK_TIMEOUT_S = env.whole_number("GLMR_WEBHOOK_TIMEOUT_S", 10, minimum=1)  # for a whole request
GLMR_WEBHOOK_GIVE_UP_DAYS = env.whole_number("GLMR_WEBHOOK_GIVE_UP_DAYS", 5, minimum=1)
GLMR_WEBHOOK_LOG_DAYS = env.whole_number("GLMR_WEBHOOK_LOG_DAYS", 30, minimum=1)

# --- Web processes: what one client may use (glmr_server.front) ------------------------------------
GLMR_WEB_THREADS = env.whole_number("GLMR_WEB_THREADS", 8, minimum=1)
GLMR_HEADER_TIMEOUT_S = env.whole_number("GLMR_HEADER_TIMEOUT_S", 10, minimum=1)
GLMR_BODY_TIMEOUT_S = env.whole_number("GLMR_BODY_TIMEOUT_S", 30, minimum=1)
GLMR_BODY_BYTES_PER_S = env.n_bytes("GLMR_BODY_BYTES_PER_S", 4096)  # slower senders are given up
GLMR_CONNECTIONS = env.whole_number("GLMR_CONNECTIONS", 1000, minimum=1)
GLMR_CONNECTIONS_PER_ADDRESS = env.whole_number("GLMR_CONNECTIONS_PER_ADDRESS", 128, minimum=1)
GLMR_SPOOL_BYTES = env.n_bytes("GLMR_SPOOL_BYTES", 4 * 2**30)
GLMR_TRUSTED_PROXIES = env.networks("GLMR_TRUSTED_PROXIES")

# --- Limits on input -------------------------------------------------------------------------------
GLMR_MAX_UPLOAD_BYTES = env.n_bytes("GLMR_MAX_UPLOAD_BYTES", 1 * 2**30)
# Spectra as JSON in one request. Reading more would stop the process for others for too long.
GLMR_MAX_JSON_BYTES = env.n_bytes("GLMR_MAX_JSON_BYTES", 16 * 2**20)
GLMR_UPLOAD_DAYS = env.whole_number("GLMR_UPLOAD_DAYS", 30)  # an upload without a job is kept; 0: for ever
GLMR_MAX_DECOMPRESSED_BYTES = env.n_bytes("GLMR_MAX_DECOMPRESSED_BYTES", 8 * 2**30)
GLMR_MAX_SPECTRA_PER_UPLOAD = env.whole_number("GLMR_MAX_SPECTRA_PER_UPLOAD", 100_000, minimum=1)
GLMR_MAX_PEAKS_PER_SPECTRUM = env.whole_number("GLMR_MAX_PEAKS_PER_SPECTRUM", 20_000, minimum=1)
GLMR_MAX_ATOMS_PER_MOLECULE = env.whole_number("GLMR_MAX_ATOMS_PER_MOLECULE", 250, minimum=1)
GLMR_MAX_LIBRARY_ROWS = env.whole_number("GLMR_MAX_LIBRARY_ROWS", 5_000_000, minimum=1)
# Files that each web process reads at the same time. As many requests may wait for their turn.
GLMR_READERS = env.whole_number("GLMR_READERS", 2, minimum=1)
GLMR_PARSE_BASE_S = env.whole_number("GLMR_PARSE_BASE_S", 10, minimum=1)  # of processor time, for each file
GLMR_PARSE_S_PER_MIB = env.whole_number("GLMR_PARSE_S_PER_MIB", 4, minimum=1)  # besides, see spectra.readers
GLMR_PARSE_TIMEOUT_S = env.whole_number("GLMR_PARSE_TIMEOUT_S", 600, minimum=1)
GLMR_PARSE_MEMORY_BYTES = env.n_bytes("GLMR_PARSE_MEMORY_BYTES", 2 * 2**30)

DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 2**20  # the fields of a form, without its files
DATA_UPLOAD_MAX_NUMBER_FILES = 100

# --- Files -----------------------------------------------------------------------------------------
MEDIA_ROOT = DATA_DIR / "media"  # uploads; served only through views that check the project
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
STATIC_URL = "static/"
STATIC_ROOT = Path(env.text("GLMR_STATIC_ROOT", str(DATA_DIR / "static")))
HELP_ROOT = BASE_DIR / "docs" / "_build" / "html"  # what `make docs` builds; shown at /help/
# True after `collectstatic`: hashed names, cached without limit. False: served from the packages.
STATIC_COLLECTED = env.flag("GLMR_STATIC_COLLECTED", False)
WHITENOISE_USE_FINDERS = not STATIC_COLLECTED
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "glmr_server.static_files.HashedStaticFilesStorage"
        if STATIC_COLLECTED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- People ----------------------------------------------------------------------------------------
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: refuses before a password is hashed
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# A browser must sign in again after this long without use, and after this long in any case.
GLMR_SESSION_IDLE_HOURS = env.whole_number("GLMR_SESSION_IDLE_HOURS", 12, minimum=1)
GLMR_SESSION_MAX_HOURS = env.whole_number("GLMR_SESSION_MAX_HOURS", 168, minimum=1)
SESSION_COOKIE_AGE = GLMR_SESSION_IDLE_HOURS * 3600

# Wrong passwords for one account from one address, on the sign-in pages of the site and of the admin. Each
# further try during the wait starts the wait again. The pair is counted, so that a stranger cannot lock out
# the owner of an account, who has another address.
AXES_FAILURE_LIMIT = env.whole_number("GLMR_SIGN_IN_TRIES", 5, minimum=1)
AXES_COOLOFF_TIME = datetime.timedelta(minutes=env.whole_number("GLMR_SIGN_IN_WAIT_MINUTES", 5, minimum=1))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "annotation.accounts.audit.client_address"
AXES_LOCKOUT_CALLABLE = "annotation.web.views.account.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True  # the audit log has all sign-ins
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
# A token without a stated end expires after this many days; 0: never.
GLMR_TOKEN_DAYS = env.whole_number("GLMR_TOKEN_DAYS", 90)
# Unusable bearer tokens from one address in a minute before it is refused without a look at the token.
GLMR_TOKEN_TRIES = env.whole_number("GLMR_TOKEN_TRIES", 30, minimum=1)

# --- Mail ------------------------------------------------------------------------------------------
# Off without a mail server. Workers send the mails, so they need the settings too.
_MAIL_SERVER = env.url(
    "GLMR_MAIL_URL",
    "",
    ("smtp", "smtp+starttls", "smtps"),
    "smtp+starttls://user:password@host:587",
)
SENDS_MAIL = bool(_MAIL_SERVER)
_mail_server = urlsplit(_MAIL_SERVER)
EMAIL_USE_SSL = _mail_server.scheme == "smtps"
EMAIL_USE_TLS = _mail_server.scheme == "smtp+starttls"
EMAIL_HOST = _mail_server.hostname or "localhost"
EMAIL_PORT = _mail_server.port or (465 if EMAIL_USE_SSL else 587 if EMAIL_USE_TLS else 25)
EMAIL_HOST_USER = unquote(_mail_server.username or "")
EMAIL_HOST_PASSWORD = unquote(_mail_server.password or "")
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("GLMR_MAIL_FROM", "GLMR Server <glmr@localhost>")
# The address of the start page, for links in mails.
GLMR_PUBLIC_URL = env.url(
    "GLMR_PUBLIC_URL", "http://127.0.0.1:8000/", ("http", "https"), "https://glmr.example.org/"
)

# --- Security --------------------------------------------------------------------------------------
# Loopback is always allowed: health checks use it.
ALLOWED_HOSTS = [*env.words("GLMR_ALLOWED_HOSTS", []), "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = env.words("GLMR_TRUSTED_ORIGINS", [])
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = ["^healthz$"]  # container health checks use plain HTTP
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 30 * 24 * 3600

# --- REST ------------------------------------------------------------------------------------------
# Views set authentication, permissions and rate limits themselves (annotation.api.views.base).
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
# Rate limit per minute for each token or user, in all web processes together.
GLMR_API_RATE = env.whole_number("GLMR_API_RATE", 600, minimum=1)
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "GLMR Server",
    "DESCRIPTION": "Submit tandem mass spectra, poll jobs, collect ranked candidates, record verdicts.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVERS": [{"url": "/", "description": "This server"}],
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/api/v\d+",
    # Components of requests end in "Request". Every enum has a name here, so that none gets a generated one.
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "AdductPolicy": "models_ml.outcomes.ADDUCT_POLICIES",
        "ChangeKind": "annotation.integration.models.Change.Kind",
        "ConfidenceLevel": "annotation.review.models.Verdict.Level",
        "EvidenceChannel": "annotation.api.serializers.submissions.EVIDENCE_CHANNELS",
        "ExportFormat": "annotation.exports.models.Export.Format",
        "ExportState": "annotation.exports.models.Export.State",
        "GroupedBy": "annotation.spectra.models.Feature.GroupedBy",
        "Grouping": "annotation.spectra.models.Upload.Grouping",
        "ImportKind": "annotation.imports.models.VersionImport.Kind",
        "ImportState": "annotation.imports.models.VersionImport.State",
        "IonMode": "annotation.api.serializers.submissions.ION_MODES",
        "JobItemState": "annotation.jobs.models.JobItem.State",
        "JobOutcome": "annotation.api.serializers.jobs.JOB_OUTCOMES",
        "JobPriority": "annotation.api.serializers.submissions.PRIORITIES",
        "JobState": "annotation.jobs.models.Job.State",
        "JobWaiting": "annotation.api.serializers.jobs.JOB_WAITING",
        "MoleculeSearchKind": "annotation.api.serializers.molecules.KINDS",
        "RankingMethod": "models_ml.outcomes.METHODS",
        "Rerank": "models_ml.outcomes.RERANKS",
        "ServerState": "annotation.api.serializers.catalogue.SERVER_STATES",
        "Role": "annotation.accounts.models.Role",
        "TokenScope": "annotation.accounts.models.ApiToken.Scope",
        "WebhookDeliveryState": "annotation.webhooks.models.WebhookDelivery.State",
        "WebhookEventKind": "annotation.webhooks.models.EventKind",
        "WebhookSubscription": "annotation.api.serializers.webhooks.EVENTS",
        "UploadState": "annotation.spectra.models.Upload.State",
        "VerdictDecision": "annotation.review.models.Verdict.Decision",
        "VersionState": "annotation.libraries.models.LibraryVersion.State",
    },
    "TAGS": [
        {"name": "jobs", "description": "Batches of spectra: submit, poll, cancel, retry, collect results."},
        {"name": "annotate", "description": "One spectrum, with its result in the answer."},
        {"name": "changes", "description": "What changed since you last looked, without gaps."},
        {"name": "annotations", "description": "Results in detail, and verdicts on them."},
        {"name": "exports", "description": "Files of results that the server builds."},
        {"name": "uploads", "description": "Uploaded spectra and what was found in them."},
        {"name": "spectra", "description": "Stored spectra of all uploads."},
        {"name": "features", "description": "Spectra that are annotated together, of all uploads."},
        {"name": "projects", "description": "The projects that you can see."},
        {"name": "libraries", "description": "Candidate libraries and their versions."},
        {"name": "molecules", "description": "Search the libraries, and see what is known of a molecule."},
        {"name": "references", "description": "Collections of reference spectra."},
        {"name": "imports", "description": "Files of libraries and references: check, publish, discard."},
        {"name": "parts", "description": "Large files that are sent in parts."},
        {"name": "models", "description": "Registered checkpoints."},
        {"name": "service-accounts", "description": "Machines that act under their own name."},
        {"name": "tokens", "description": "Secrets of the REST API: list, rotate, revoke."},
        {"name": "webhooks", "description": "Addresses that are told of events."},
        {"name": "webhook-deliveries", "description": "What was sent to webhooks, and sending it again."},
        {"name": "status", "description": "Whether the server can process jobs."},
    ],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "annotation.api.openapi.close_requests",
        "annotation.api.openapi.declare_headers",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- Language, time, logging -----------------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

LOG_LEVEL = env.choice("GLMR_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "axes": {"level": "WARNING"},  # the audit log has each sign-in
    },
}
