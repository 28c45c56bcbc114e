# The web process and the worker from one image; compose.yaml runs them.
FROM python:3.11-slim-bookworm AS packages
WORKDIR /app
COPY requirements.txt ./
COPY packages packages
# As on Toolforge, pip is there while the image is built and not when it runs.
RUN python -m venv --without-pip /opt/venv && pip --python /opt/venv/bin/python install --no-cache-dir -r requirements.txt

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 10001 wikivisage
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 WIKIVISAGE_CACHE_DIR=/cache
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
RUN install -d -o wikivisage /cache
USER wikivisage
# The networks are made ready here, once, and not at each start.
RUN python -m vision.weights --cache /cache
EXPOSE 8000
CMD ["gunicorn", "app:app", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "4", "--no-control-socket", "--graceful-timeout", "20", "--access-logfile", "-"]
