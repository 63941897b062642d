# Grantway in a container: no root, nothing written outside /var/lib/grantway and /tmp.
# docs/how-to/containers.md says how to build and run it; compose/ has a file for each database.

FROM python:3.13-slim-bookworm AS build
# Databases and extras to install the packages of: any of pyproject.toml's optional dependencies.
ARG EXTRAS=postgres,mysql,oracle,mssql,redis,saml
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m venv /opt/grantway \
 && /opt/grantway/bin/pip install --no-cache-dir --only-binary :all: --no-binary grantway ".[${EXTRAS}]" \
 && /opt/grantway/bin/python -m compileall -q /opt/grantway

FROM python:3.13-slim-bookworm
# What the driver of SQL Server loads. Versions follow the base image, which is rebuilt for security fixes.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgssapi-krb5-2 libkrb5-3 libltdl7 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 grantway \
 && useradd --uid 10001 --gid grantway --home-dir /var/lib/grantway --create-home --shell /usr/sbin/nologin grantway
COPY --from=build /opt/grantway /opt/grantway
ENV PATH=/opt/grantway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GRANTWAY_SERVE__BIND=0.0.0.0 \
    GRANTWAY_DATABASE__URL=sqlite:////var/lib/grantway/grantway.db
WORKDIR /var/lib/grantway
USER 10001:10001
VOLUME /var/lib/grantway
EXPOSE 4444 4445
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:4444/health/ready', timeout=4)"]
ENTRYPOINT ["grantway"]
CMD ["serve"]
