#!/usr/bin/env bash
# By day a route is served by one's own GPUs; by night a paid provider takes a part, under a budget. For cron:
#
#   0 22 * * *  . /etc/signalbox.env && /opt/scripts/nightly-burst.sh night
#   0  6 * * *  . /etc/signalbox.env && /opt/scripts/nightly-burst.sh day
#
# When the budget is used up, the provider is left out and the GPUs get all of it: no request is refused. A night from 22 to 6 touches two
# days of the time zone, and each of them may cost the amount. Needs the scopes CONFIG_READ and CONFIG_WRITE.
# A second run changes nothing. Exit codes: 0 done, 1 refused.
case ${1:-} in day | night) ;; *) echo 'Usage: nightly-burst.sh day|night' >&2 && exit 2 ;; esac
. "$(dirname "${BASH_SOURCE[0]}")/signalbox.sh"

export ROUTE=${ROUTE:-chat} OWN=${OWN:-qwen3-8b} PROVIDER=${PROVIDER:-openai} MODEL=${MODEL:-gpt-4o-mini}
export OWN_WEIGHT=${OWN_WEIGHT:-100} PAID_WEIGHT=${PAID_WEIGHT:-200} DAILY_USD=${DAILY_USD:-20} TIME_ZONE=${TIME_ZONE:-UTC}
[ "$1" = night ] || export PAID_WEIGHT=0

state=$(gql 'query ($route: String!, $provider: String!) {
  provider(by: { name: $provider }) { id models { upstreamModel pricing { inputPerMillion } } }
  route(by: { name: $route }) { revision targets { weight backend { label } } }
}' "$(jq -n '{route: env.ROUTE, provider: env.PROVIDER}')")
jq -e '.provider and .route' <<<"$state" >/dev/null || fail "There is no route $ROUTE, or no provider $PROVIDER."
jq -e 'any(.provider.models[]; .upstreamModel == env.MODEL and .pricing)' <<<"$state" >/dev/null ||
  fail "$PROVIDER/$MODEL has no price: a budget could not hold it back."

budget=$(gql 'query ($id: ID!) { budgets(subjectId: $id, first: 100) { edges { node { id revision amount period timeZone per } } } }' \
  "$(jq '{id: .provider.id}' <<<"$state")" | jq 'first(.budgets.edges[].node | select(.period == "DAY" and .per == []))')
if [ -z "$budget" ]; then
  echo "Budget: $DAILY_USD USD a day for $PROVIDER."
  gql 'mutation ($id: ID!, $amount: Decimal!, $timeZone: String!) {
    budgetCreate(input: {
      subject: { id: $id }, amount: $amount, period: DAY, timeZone: $timeZone, onExhausted: SKIP_PRICED, reason: "nightly burst"
    }) { userErrors { code path message } }
  }' "$(jq '{id: .provider.id, amount: env.DAILY_USD, timeZone: env.TIME_ZONE}' <<<"$state")" >/dev/null
elif jq -e '(.amount | tonumber) != (env.DAILY_USD | tonumber) or .timeZone != env.TIME_ZONE' <<<"$budget" >/dev/null; then
  echo "Budget: $DAILY_USD USD a day for $PROVIDER, changed."
  gql 'mutation ($id: ID!, $revision: Int!, $amount: Decimal!, $timeZone: String!) {
    budgetUpdate(input: { id: $id, expectedRevision: $revision, amount: $amount, timeZone: $timeZone, reason: "nightly burst" }) {
      userErrors { code path message }
    }
  }' "$(jq '{id, revision, amount: env.DAILY_USD, timeZone: env.TIME_ZONE}' <<<"$budget")" >/dev/null
fi

wanted=$(jq -n '{(env.OWN): (env.OWN_WEIGHT | tonumber), "\(env.PROVIDER)/\(env.MODEL)": (env.PAID_WEIGHT | tonumber)}')
if jq -e --argjson wanted "$wanted" '[.route.targets[] | {key: .backend.label, value: .weight}] | from_entries == $wanted' <<<"$state" >/dev/null; then
  echo "$ROUTE is set for the $1 already."
  exit
fi
gql 'mutation ($route: String!, $revision: Int!, $own: String!, $ownWeight: Int!, $paid: ProviderModelRefInput!, $paidWeight: Int!, $reason: String!) {
  routeTargetsSet(input: {
    route: { name: $route }, expectedRevision: $revision, reason: $reason
    targets: [{ backend: { deployment: $own }, weight: $ownWeight }, { backend: { providerModel: $paid }, weight: $paidWeight }]
  }) { route { targets { share backend { label } } } userErrors { code path message } }
}' "$(jq --arg reason "nightly burst: $1" '{
  route: env.ROUTE, revision: .route.revision, reason: $reason, own: env.OWN, ownWeight: env.OWN_WEIGHT | tonumber,
  paid: {provider: env.PROVIDER, model: env.MODEL}, paidWeight: env.PAID_WEIGHT | tonumber
}' <<<"$state")" | jq -r '.routeTargetsSet.route.targets[] | "\(.backend.label): \(.share * 100 | round) %"'
