# shellcheck shell=bash
# What the scripts of this folder share: bash, curl and jq are all that it needs. Keep it beside them.
set -euo pipefail

: "${SIGNALBOX_KEY:?is not set: the key of an operator, e.g. the one that the first start printed}"
: "${SIGNALBOX_URL:=http://127.0.0.1:4000}"
: "${SIGNALBOX_GATEWAY_URL:=http://127.0.0.1:8080}"

# gql DOCUMENT [VARIABLES]: prints `data` in one line. If the API refuses, the script ends with its message: `errors` are faults of the
# request, `userErrors` are why a mutation changed nothing.
gql() {
  local none='{}' answer faults
  answer=$(jq --arg query "$1" '{query: $query, variables: .}' <<<"${2:-$none}" | post "$SIGNALBOX_URL/graphql") || exit 1
  faults=$(jq -er '
    select(has("data") or has("errors")) | [.errors[]?, (.data | .. | objects | .userErrors[]?)]
    | map("\(.code // .extensions.code)\(.path // [] | map(" \(.)") | add // ""): \(.message)") | join("\n")
  ' <<<"$answer" 2>/dev/null) || fail "$SIGNALBOX_URL/graphql is no GraphQL API: ${answer:0:200}"
  [ -z "$faults" ] || fail "$faults"
  jq -c '.data | del(.. | .userErrors?)' <<<"$answer"
}

# ask MODEL QUESTION: a chat completion through the gateway; prints "backend: answer".
ask() {
  local answer body backend
  answer=$(jq -n --arg model "$1" --arg text "$2" '{model: $model, messages: [{role: "user", content: $text}]}' |
    post "$SIGNALBOX_GATEWAY_URL/v1/chat/completions" --include | tr -d '\r') || exit 1
  body=${answer#*$'\n\n'}
  jq -e '.choices[0].message.content' <<<"$body" >/dev/null 2>&1 || fail "$1 did not answer: ${body:0:500}"
  backend=$(sed -n 's/^x-signalbox-backend: //p' <<<"$answer")
  # Headers carry names percent-encoded.
  printf '%b: %s\n' "${backend//%/\\x}" "$(jq -r '.choices[0].message.content' <<<"$body")"
}

# post URL [OPTION of curl …]: sends stdin. The key is not among curl's arguments, because everybody on the machine can read those.
post() {
  curl --silent --show-error --max-time 120 "${@:2}" -H @<(printf 'authorization: Bearer %s\n' "$SIGNALBOX_KEY") \
    -H 'content-type: application/json' --data-binary @- "$1"
}

# fail MESSAGE [STATUS]
fail() {
  printf '%s\n' "$1" >&2
  exit "${2:-1}"
}
