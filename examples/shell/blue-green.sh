#!/usr/bin/env bash
# A blue-green upgrade: the new version is deployed without a route, asked a question, put in the place of the old one, and
# taken back if more requests fail than before. Clients see nothing of it: requests under way end where they began.
#
#   ./blue-green.sh ROUTE OLD_DEPLOYMENT NEW_DEPLOYMENT NEW_URL NEW_MODEL
#   ./blue-green.sh chat qwen3-8b qwen3-8b-2507 http://127.0.0.1:8001/v1 Qwen/Qwen3-8B-2507
#
# Needs the scopes INFERENCE, CONFIG_READ and CONFIG_WRITE. It can be run again. Exit codes: 0 upgraded, 1 refused, 3 taken back.
: "${5:?is missing. Usage: blue-green.sh ROUTE OLD_DEPLOYMENT NEW_DEPLOYMENT NEW_URL NEW_MODEL}"
. "$(dirname "${BASH_SOURCE[0]}")/signalbox.sh"
export ROUTE=$1 OLD=$2 NEW=$3 NEW_URL=$4 NEW_MODEL=$5
# How long to watch, how many requests of the last minute are enough to judge, and how much more of them may fail than before, in percent.
export WATCH_SECONDS=${WATCH_SECONDS:-300} MIN_REQUESTS=${MIN_REQUESTS:-20} MAX_MORE_ERRORS=${MAX_MORE_ERRORS:-2}
PROBE_ROUTE=$NEW-probe

delete_probe_route() {
  gql 'mutation ($name: String!) { routeDelete(input: { route: { name: $name } }) { userErrors { code path message } } }' \
    "$(jq -n --arg name "$PROBE_ROUTE" '{name: $name}')" >/dev/null
}

# errors_of DEPLOYMENT: `requests errorShare` of the last minute.
errors_of() {
  gql 'query ($route: String!) { route(by: { name: $route }) { traffic { targets { backendLabel requests errorShare } } } }' \
    "$(jq -n '{route: env.ROUTE}')" |
    jq -r --arg backend "$1" '([.route.traffic.targets[] | select(.backendLabel == $backend)][0] // {requests: 0, errorShare: 0}) | "\(.requests) \(.errorShare)"'
}

echo "1. Deploy $NEW, without a route."
state=$(gql 'query ($new: String!, $route: String!, $probe: String!) {
  deployment(by: { name: $new }) { id }
  probe: route(by: { name: $probe }) { id }
  route(by: { name: $route }) { revision targets { backend { label } } }
  viewer { actor { ... on ApiKey { id } } }
}' "$(jq -n --arg probe "$PROBE_ROUTE" '{new: env.NEW, route: env.ROUTE, probe: $probe}')")
labels=$(jq -r '.route.targets[]?.backend.label' <<<"$state")
if grep -qxF "$NEW" <<<"$labels"; then fail "$NEW serves $ROUTE already." 0; fi
grep -qxF "$OLD" <<<"$labels" || fail "$OLD is no target of a route $ROUTE."
if jq -e '.deployment == null' <<<"$state" >/dev/null; then
  gql 'mutation ($name: String!, $url: URL!, $model: String!) {
    deploymentCreate(input: { name: $name, upstreamModel: $model, endpoints: [{ url: $url }], enableModelRoute: false }) {
      warnings { code message } userErrors { code path message }
    }
  }' "$(jq -n '{name: env.NEW, url: env.NEW_URL, model: env.NEW_MODEL}')" | jq -r '.deploymentCreate.warnings[] | "   \(.code): \(.message)"'
fi

echo "2. Ask it a question, over a route that only this key may call."
jq -e '.probe == null' <<<"$state" >/dev/null || delete_probe_route
gql 'mutation ($name: String!, $new: String!, $key: ID!) {
  routeCreate(input: {
    name: $name, targets: [{ backend: { deployment: $new } }], access: { policy: RESTRICTED, apiKeyIds: [$key] }
  }) { userErrors { code path message } }
}' "$(jq --arg name "$PROBE_ROUTE" '{name: $name, new: env.NEW, key: .viewer.actor.id}' <<<"$state")" >/dev/null
trap delete_probe_route EXIT
ask "$PROBE_ROUTE" 'Say hello.'
trap - EXIT
delete_probe_route

echo "3. Put it in the place of $OLD."
read -r _ errors_before < <(errors_of "$OLD")
revision=$(jq '.route.revision' <<<"$state")
switched=$(gql 'mutation ($route: String!, $revision: Int!, $old: String!, $new: String!) {
  routeTargetReplace(input: {
    route: { name: $route }, expectedRevision: $revision, target: { deployment: $old }, backend: { deployment: $new }, reason: "blue-green"
  }) { route { revision } userErrors { code path message } }
}' "$(jq -n --argjson revision "$revision" '{route: env.ROUTE, revision: $revision, old: env.OLD, new: env.NEW}')" |
  jq '.routeTargetReplace.route.revision')

trap 'echo "Not watched to the end. routeRollback to revision $revision takes it back." >&2' EXIT
echo "4. Watch it for $WATCH_SECONDS s."
ends_at=$((SECONDS + WATCH_SECONDS))
while [ "$SECONDS" -lt "$ends_at" ]; do
  sleep 1
  read -r requests errors < <(errors_of "$NEW")
  jq -en --argjson requests "$requests" --argjson errors "$errors" --argjson before "$errors_before" '
    $requests >= (env.MIN_REQUESTS | tonumber) and ($errors - $before) * 100 > (env.MAX_MORE_ERRORS | tonumber)
  ' >/dev/null || continue
  gql 'mutation ($route: String!, $to: Int!, $revision: Int!) {
    routeRollback(input: { route: { name: $route }, toRevision: $to, expectedRevision: $revision, reason: "more errors than before" }) {
      userErrors { code path message }
    }
  }' "$(jq -n --argjson to "$revision" --argjson revision "$switched" '{route: env.ROUTE, to: $to, revision: $revision}')" >/dev/null
  trap - EXIT
  fail "Taken back: of $requests requests a share of $errors failed, before it was $errors_before." 3
done
trap - EXIT
echo "Done. $OLD serves this route no more; delete it when nothing else needs it."
