/** What GraphiQL opens with: the six things that a user does in the first hours, one tab each, with what is to be changed in capitals. */
export const exampleTabs: readonly { readonly query: string }[] = [
  {
    query: `# 1. A self-hosted model, and a route that clients can call. Set the key above, change the URL, press play.
mutation AddDeployment {
  deploymentCreate(input: {
    name: "llama-3.3-70b"
    engine: VLLM
    upstreamModel: "meta-llama/Llama-3.3-70B-Instruct"
    endpoints: [{ url: "http://127.0.0.1:8000/v1", maxInFlight: 64 }]
  }) {
    userErrors { code message path }
    deployment { id label state endpoints { url health { circuit lastError } } }
    route { id name revision access { policy } }
  }
}

# Which key you have set: its id, for the next step.
query WhoAmI {
  viewer { actor { ... on ApiKey { id name } } scopes }
}

# Whether it works: what the gateway would do with a request that brings your key; \`refusal: null\` is that it would be sent.
# Without \`apiKeyId\` it is about a caller without a key, whom only a public route lets in: 401.
query Explain {
  routeExplain(input: { model: "llama-3.3-70b", apiKeyId: "ID OF YOUR KEY" }) {
    refusal
    refusalCode
    candidates { backend { label } probability availability upstreamModel }
  }
}
`,
  },
  {
    query: `# 2. Behind a route the model can be replaced while clients go on calling the same name.
mutation AddSuccessor {
  deploymentCreate(input: {
    name: "llama-4-maverick"
    engine: VLLM
    endpoints: [{ url: "http://127.0.0.1:8001/v1" }]
    enableModelRoute: false
  }) {
    userErrors { code message path }
    deployment { id }
  }
}

# Requests in flight end where they began; after the answer no new one goes to the old model.
mutation Upgrade {
  routeTargetReplace(input: {
    route: { name: "llama-3.3-70b" }
    target: { deployment: "llama-3.3-70b" }
    backend: { deployment: "llama-4-maverick" }
    reason: "upgrade"
  }) {
    userErrors { code message path }
    route { revision targets { backend { label } weight share } }
  }
}

mutation TakeItBack {
  routeRollback(input: { route: { name: "llama-3.3-70b" }, toRevision: 1, reason: "worse answers" }) {
    userErrors { code message path }
    route { revision targets { backend { label } weight } }
  }
}
`,
  },
  {
    query: `# 3. Traffic by weight: 100 to 200 is exactly one third and two thirds.
mutation Split {
  routeTargetsSet(input: {
    route: { name: "llama-3.3-70b" }
    targets: [
      { backend: { deployment: "llama-3.3-70b" }, weight: 100 }
      { backend: { deployment: "llama-4-maverick" }, weight: 200 }
    ]
  }) {
    userErrors { code message path }
    route { revision targets { backend { label } weight share } }
  }
}

# Targets that are not listed get 0.
mutation Switch {
  routeTrafficSet(input: {
    route: { name: "llama-3.3-70b" }
    weights: [{ target: { deployment: "llama-4-maverick" }, weight: 1 }]
  }) {
    userErrors { code message path }
    route { revision targets { backend { label } weight share } }
  }
}

# Watch it happen.
subscription Watch {
  routeTraffic(by: { name: "llama-3.3-70b" }) {
    at
    revision
    requests
    targets { backendLabel configuredShare observedShare requests inFlight }
    divergence { reason share }
  }
}
`,
  },
  {
    query: `# 4. A fallback: tried in order when a target fails before the first byte of its answer.
mutation AddProvider {
  providerCreate(input: {
    name: "openai"
    kind: OPENAI
    secrets: ["YOUR OPENAI KEY"]
    models: [{ upstreamModel: "gpt-5-mini", pricing: { inputPerMillion: "0.25", outputPerMillion: "2" } }]
  }) {
    userErrors { code message path }
    provider { id models { id label } }
  }
}

mutation SetFallback {
  routeFallbackSet(input: {
    route: { name: "llama-3.3-70b" }
    fallback: { backends: [{ providerModel: { provider: "openai", model: "gpt-5-mini" } }] }
  }) {
    userErrors { code message path }
    route { fallback { backends { label } triggers maxAttempts } }
  }
}
`,
  },
  {
    query: `# 5. Any OpenAI-compatible server: which models it has, a route for one of them, a key for it, and what it used.
mutation Ask {
  providerProbe(input: { draft: { baseUrl: "http://127.0.0.1:9000/v1", secret: "ITS KEY" } }) {
    userErrors { code message path }
    latencyMs
    models { upstreamModel categories }
  }
}

mutation AddCustomProvider {
  providerCreate(input: {
    name: "lab"
    baseUrl: "http://127.0.0.1:9000/v1"
    secrets: ["ITS KEY"]
    models: [{ upstreamModel: "ONE OF THE MODELS" }]
  }) {
    userErrors { code message path }
    provider { id }
  }
}

mutation RouteIt {
  providerRouteCreate(input: { provider: { name: "lab" }, name: "lab-model" }) {
    userErrors { code message path }
    route { id name targets { backend { label } weight } }
  }
}

mutation MakeKey {
  apiKeyCreate(input: { name: "my application" }) {
    userErrors { code message path }
    secret
    apiKey { id prefix }
  }
}

mutation RestrictIt {
  routeAccessSet(input: {
    route: { name: "lab-model" }
    access: { policy: RESTRICTED, apiKeyIds: ["ID OF THE KEY"] }
  }) {
    userErrors { code message path }
    route { access { policy apiKeys { name } } }
  }
}

query Usage {
  usage(range: { from: "2026-01-01T00:00:00Z" }, groupBy: [ROUTE, API_KEY]) {
    totals { requests inputTokens outputTokens cost }
    rows { group { labels } metrics { requests inputTokens outputTokens cost } }
  }
}
`,
  },
  {
    query: `# 6. Prices: what the catalogue suggests for a model, what you pay for it, and what each day has cost.
query Suggestions {
  provider(by: { name: "openai" }) {
    models {
      upstreamModel
      pricing { inputPerMillion outputPerMillion source { kind } }
      suggestedPricing { inputPerMillion cachedInputPerMillion outputPerMillion source { kind asOf } }
      suggestedContextTokens
    }
  }
}

# Nothing is billed by a suggestion: a price is what you write here, and it replaces the one before.
mutation SetPrice {
  providerModelUpdate(input: {
    model: { provider: "openai", model: "gpt-5-mini" }
    pricing: {
      inputPerMillion: "0.25"
      cachedInputPerMillion: "0.025"
      outputPerMillion: "2"
      serviceTiers: [{ serviceTier: "flex", factor: "0.5" }, { serviceTier: "priority", factor: "1.8" }]
    }
  }) {
    userErrors { code message path }
    provider { models { upstreamModel pricing { inputPerMillion serviceTiers { serviceTier factor } } } }
  }
}

query CostByDay {
  usage(
    range: { from: "2026-11-01T00:00:00Z" }
    bucket: DAY
    timeZone: "Europe/Berlin"
    groupBy: [BACKEND, SERVICE_TIER]
  ) {
    totals { requests inputTokens cachedInputTokens cacheWriteTokens outputTokens images audioSeconds characters cost }
    rows { bucketStart group { labels } metrics { requests cost } }
  }
}
`,
  },
]
