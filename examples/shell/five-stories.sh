#!/usr/bin/env bash
# The five stories of the guide: each sets something up, asks a question, and shows which backend answered.
#
#   SIGNALBOX_KEY=… PROVIDER_KEY=… ./five-stories.sh
#
# A second run leaves what is there as it is. The script ends with 1 and the reason as soon as something is refused.
. "$(dirname "${BASH_SOURCE[0]}")/signalbox.sh"

# Your servers, and what each of them calls its model (`curl …/v1/models` tells).
export OLD_URL=${OLD_URL:-http://127.0.0.1:8000/v1} OLD_MODEL=${OLD_MODEL:-Qwen/Qwen3-8B}
export NEW_URL=${NEW_URL:-http://127.0.0.1:8001/v1} NEW_MODEL=${NEW_MODEL:-Qwen/Qwen3-8B-2507}
export EXISTING_URL=${EXISTING_URL:-http://127.0.0.1:11434/v1} EXISTING_MODEL=${EXISTING_MODEL:-llama3.2}
# A service with a key of its own.
export PROVIDER_URL=${PROVIDER_URL:-https://api.openai.com/v1} PROVIDER_MODEL=${PROVIDER_MODEL:-gpt-4o-mini}
export PROVIDER_KEY=${PROVIDER_KEY:?is not set: the key of the provider}

present=$(gql '{
  old: deployment(by: { name: "story-old" }) { id }
  new: deployment(by: { name: "story-new" }) { id }
  broken: deployment(by: { name: "story-broken" }) { id }
  paid: provider(by: { name: "story-paid" }) { id }
  existing: provider(by: { name: "story-existing" }) { id }
  together: route(by: { name: "story-together" }) { id }
  fallback: route(by: { name: "story-fallback" }) { id }
  existingRoute: route(by: { name: "story-existing" }) { id }
}')
missing() { jq -e --arg name "$1" '.[$name] == null' <<<"$present" >/dev/null; }

echo '1. Deploy with a route: the deployment brings a route of its name.'
if missing old; then
  gql 'mutation ($url: URL!, $model: String!) {
    deploymentCreate(input: { name: "story-old", upstreamModel: $model, endpoints: [{ url: $url }] }) {
      route { name } warnings { message } userErrors { code path message }
    }
  }' "$(jq -n '{url: env.OLD_URL, model: env.OLD_MODEL}')"
fi
ask story-old 'Who are you?'

echo '2. Upgrade behind an alias: the new version takes the place of the old one. Clients keep the name that they know.'
if missing new; then
  gql 'mutation ($url: URL!, $model: String!) {
    deploymentCreate(input: { name: "story-new", upstreamModel: $model, endpoints: [{ url: $url }], enableModelRoute: false }) {
      deployment { name } warnings { message } userErrors { code path message }
    }
  }' "$(jq -n '{url: env.NEW_URL, model: env.NEW_MODEL}')"
fi
targets=$(gql '{ route(by: { name: "story-old" }) { targets { backend { label } } } }')
if [[ $targets == *'"story-old"'* ]]; then
  gql 'mutation {
    routeTargetReplace(input: {
      route: { name: "story-old" }, target: { deployment: "story-old" }, backend: { deployment: "story-new" }, reason: "new version"
    }) { route { revision } applied userErrors { code path message } }
  }'
fi
ask story-old 'Who are you?'

echo '3. Self-hosted and public together, 100 : 200. The weights are exact: of three questions the provider answers two.'
if missing paid; then
  gql 'mutation ($url: URL!, $key: String!, $model: String!) {
    providerCreate(input: { name: "story-paid", baseUrl: $url, secrets: [$key], models: [{ upstreamModel: $model }] }) {
      provider { models { label } } warnings { message } userErrors { code path message }
    }
  }' "$(jq -n '{url: env.PROVIDER_URL, key: env.PROVIDER_KEY, model: env.PROVIDER_MODEL}')"
fi
if missing together; then
  gql 'mutation ($model: String!) {
    routeCreate(input: { name: "story-together", targets: [
      { backend: { deployment: "story-new" }, weight: 100 }
      { backend: { providerModel: { provider: "story-paid", model: $model } }, weight: 200 }
    ] }) { route { targets { backend { label } share } } userErrors { code path message } }
  }' "$(jq -n '{model: env.PROVIDER_MODEL}')"
fi
for _ in 1 2 3; do ask story-together 'Who are you?'; done

echo '4. Fallback: the provider answers only because the target fails, a port where nobody listens.'
if missing broken; then
  gql 'mutation {
    deploymentCreate(input: { name: "story-broken", endpoints: [{ url: "http://127.0.0.1:9/v1" }], enableModelRoute: false, check: false }) {
      deployment { name } userErrors { code path message }
    }
  }'
fi
if missing fallback; then
  gql 'mutation ($model: String!) {
    routeCreate(input: {
      name: "story-fallback", targets: [{ backend: { deployment: "story-broken" } }]
      fallback: { backends: [{ providerModel: { provider: "story-paid", model: $model } }] }
    }) { route { fallback { backends { label } } } userErrors { code path message } }
  }' "$(jq -n '{model: env.PROVIDER_MODEL}')"
fi
ask story-fallback 'Who are you?'

echo '5. An existing OpenAI-compatible server: a provider with a base URL, and a route for its model.'
if missing existing; then
  gql 'mutation ($url: URL!, $model: String!) {
    providerCreate(input: { name: "story-existing", baseUrl: $url, models: [{ upstreamModel: $model }] }) {
      provider { models { label } } warnings { message } userErrors { code path message }
    }
  }' "$(jq -n '{url: env.EXISTING_URL, model: env.EXISTING_MODEL}')"
fi
if missing existingRoute; then
  gql 'mutation {
    providerRouteCreate(input: { provider: { name: "story-existing" }, name: "story-existing" }) {
      route { name } userErrors { code path message }
    }
  }'
fi
ask story-existing 'Who are you?'
