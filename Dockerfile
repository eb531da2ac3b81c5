# Signalbox: the API, the gateway, or one of the two (`serve --role`). Build: docker build -t signalbox .
# Run, with an embedded PostgreSQL in the volume:
#   docker run --init --read-only --tmpfs /tmp -v signalbox:/data -p 127.0.0.1:4000:4000 -p 8080:8080 signalbox

# The console, with the packages that build it.
FROM node:24.21.0-bookworm-slim AS console
WORKDIR /app
COPY package.json package-lock.json schema.graphql tsconfig.json ./
COPY console ./console
RUN npm ci --ignore-scripts --no-audit --no-fund && npm run console

# The packages that run it. Node itself is one of them.
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
COPY console/prepare.js console/build.ts ./console/
RUN npm ci --omit=dev --no-audit --no-fund

FROM debian:bookworm-slim
# libnss-wrapper gives PostgreSQL's initdb a name for a uid that has none, as OpenShift gives to containers.
RUN apt-get update && apt-get install -y --no-install-recommends libnss-wrapper && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json LICENSE ./
COPY --from=packages /app/node_modules ./node_modules
COPY migrations ./migrations
COPY src ./src
COPY --from=console /app/console/dist ./console/dist
# Any uid of group 0 may write the data.
RUN install -d -m 0770 -o 10001 -g 0 /data

ENV NODE_ENV=production \
    PATH=/app/node_modules/.bin:$PATH \
    SIGNALBOX_API_HOST=0.0.0.0 \
    SIGNALBOX_GATEWAY_HOST=0.0.0.0 \
    SIGNALBOX_DATA_DIR=/data
USER 10001:0
VOLUME /data
EXPOSE 4000 8080
STOPSIGNAL SIGTERM
# Whatever the role: each listener that there is must be ready, and one must be there.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "const { SIGNALBOX_API_PORT: api, SIGNALBOX_GATEWAY_PORT: gateway } = process.env; const ask = (port) => fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(4000) }).then(({ ok }) => ok, ({ cause }) => cause?.code === 'ECONNREFUSED' ? undefined : false); Promise.all([ask(api || 4000), ask(gateway || 8080)]).then((all) => process.exit(all.includes(true) && !all.includes(false) ? 0 : 1))"]
ENTRYPOINT ["node", "/app/src/main.ts"]
CMD ["serve"]
