# The server as an image. With DATABASE_URL it keeps nothing itself; without one its own PostgreSQL keeps its
# data in /data, which then has to be a volume:
#
#   docker build --tag billing-server .
#   docker run --rm --volume billing:/data billing-server billing migrate
#   docker run --rm --volume billing:/data billing-server billing keys create --name admin --scope admin
#   docker run --init --publish 127.0.0.1:8000:8000 --volume billing:/data billing-server
#
# Nothing else is written to, no capability is needed, and with a DATABASE_URL no shell and no user of the image, so that
# it runs with --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges, and as any --user.

FROM python:3.12-slim-bookworm AS builder
WORKDIR /app

# Before the sources, so that a change of those leaves this layer as it is. Only wheels, since building a package
# would run code that no hash covers.
COPY requirements.lock ./
RUN python -m venv --without-pip /venv \
    && pip --disable-pip-version-check --python /venv/bin/python install \
        --no-cache-dir --no-compile --only-binary :all: --require-hashes --requirement requirements.lock

COPY LICENSE alembic.ini ./
COPY alembic alembic/
COPY billing billing/
COPY cli cli/
COPY db db/
COPY graph graph/
COPY services services/

# The command `billing` is written here because installing the project would take a build backend, which the lock of
# the image does not have. The modes are set because those of a checkout depend on its owner's umask. Nothing in the
# image ever changes, so no start needs to compare the bytecode with its source.
RUN printf '%s\n' '#!/venv/bin/python' 'from cli.main import app' 'if __name__ == "__main__":' '    app()' > /venv/bin/billing \
    && chmod 755 /venv/bin/billing \
    && chmod -R u=rwX,go=rX /app \
    && /venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib /app


FROM python:3.12-slim-bookworm

# PostgreSQL does not run as a user without a name. It is given one by hand, since the test of this file runs these
# commands where useradd would need root and would change the machine.
RUN echo 'billing:x:10001:10001::/nonexistent:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'billing:x:10001:' >> /etc/group \
    && install -d -o 10001 -g 10001 -m 700 /data

COPY --from=builder /venv /venv
COPY --from=builder /app /app

ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    BILLING_HOST=0.0.0.0 \
    BILLING_DATA_DIR=/data

WORKDIR /app
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM

# Whether it runs, not whether its database does: some restart what is not healthy, which would help nobody then.
# http.client, unlike urllib, does not send the question through a proxy that the environment names.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["python", "-I", "-S", "-c", "import http.client, os, sys; server = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('BILLING_PORT', 8000)), timeout=4); server.request('GET', '/health'); sys.exit(server.getresponse().status != 200)"]

CMD ["billing", "serve"]
