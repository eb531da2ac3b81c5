/**
 * The tabs that GraphiQL opens with: the five stories of the guide in its order, then common later tasks. Values that the reader must
 * replace are in capitals. The first line names the tab, and every line fits into the editor of a small screen.
 */
export interface ExampleTab {
  readonly query: string
}

export const exampleTabs: readonly ExampleTab[] = [
  {
    query: `# 1 Deploy
# A self-hosted model, and a route of its name
# that clients can call. Set the key above,
# change the URL, press play.
mutation AddDeployment {
  deploymentCreate(input: {
    name: "qwen3-8b"
    engine: VLLM
    upstreamModel: "Qwen/Qwen3-8B"
    endpoints: [{
      url: "http://127.0.0.1:8000/v1"
    }]
  }) {
    userErrors { code message path }
    deployment { id warnings { code message } }
    route { id name access { policy } }
  }
}

# Which key you have set: its id, for the next.
query WhoAmI {
  viewer {
    actor { ... on ApiKey { id name } }
    scopes
  }
}

# What the gateway would do with a request that
# brings your key. \`refusal: null\`: it is sent.
# Without \`apiKeyId\` it is about a caller without
# a key, whom only a public route lets in: 401.
query Explain {
  routeExplain(input: {
    model: "qwen3-8b"
    apiKeyId: "ID OF YOUR KEY"
  }) {
    refusal
    refusalCode
    candidates {
      backend { label }
      probability
      availability
    }
  }
}
`,
  },
  {
    query: `# 2 Upgrade
# Behind a route the model can be replaced while
# clients go on calling the same name.
mutation AddSuccessor {
  deploymentCreate(input: {
    name: "qwen3-8b-2507"
    engine: VLLM
    upstreamModel: "Qwen/Qwen3-8B-2507"
    endpoints: [{
      url: "http://127.0.0.1:8001/v1"
    }]
    enableModelRoute: false
  }) {
    userErrors { code message path }
    deployment { id warnings { code message } }
  }
}

# Requests in flight end where they began; after
# the answer no new one goes to the old model.
mutation Upgrade {
  routeTargetReplace(input: {
    route: { name: "qwen3-8b" }
    target: { deployment: "qwen3-8b" }
    backend: { deployment: "qwen3-8b-2507" }
    reason: "upgrade"
  }) {
    userErrors { code message path }
    route {
      revision
      targets { backend { label } share }
    }
  }
}
`,
  },
  {
    query: `# 3 Split
# A provider is a service with a key of its own.
mutation AddProvider {
  providerCreate(input: {
    name: "openai"
    kind: OPENAI
    secrets: ["YOUR OPENAI KEY"]
    models: [{
      upstreamModel: "gpt-4o-mini"
      pricing: {
        inputPerMillion: "0.15"
        outputPerMillion: "0.6"
      }
    }]
  }) {
    userErrors { code message path }
    provider { id models { id label } }
  }
}

# 100 to 200 is exactly one third and two thirds.
mutation Split {
  routeCreate(input: {
    name: "chat"
    targets: [
      {
        backend: { deployment: "qwen3-8b-2507" }
        weight: 100
      }
      {
        backend: { providerModel: {
          provider: "openai", model: "gpt-4o-mini"
        } }
        weight: 200
      }
    ]
  }) {
    userErrors { code message path }
    route {
      revision
      targets { backend { label } weight share }
    }
  }
}

# Targets that are not listed get 0.
mutation Switch {
  routeTrafficSet(input: {
    route: { name: "chat" }
    weights: [{
      target: { deployment: "qwen3-8b-2507" }
      weight: 1
    }]
  }) {
    userErrors { code message path }
    route {
      revision
      targets { backend { label } weight share }
    }
  }
}

# Watch it happen.
subscription Watch {
  routeTraffic(by: { name: "chat" }) {
    at
    requests
    targets {
      backendLabel
      configuredShare
      observedShare
      inFlight
    }
    divergence { reason share }
  }
}
`,
  },
  {
    query: `# 4 Fallback
# A backend is a target or the fallback of a
# route, not both: it leaves the split first.
mutation LeaveSplit {
  routeTargetsSet(input: {
    route: { name: "qwen3-8b" }
    targets: [{
      backend: { deployment: "qwen3-8b-2507" }
    }]
  }) {
    userErrors { code message path }
    route { targets { backend { label } share } }
  }
}

# Tried in order when a target fails, or is full,
# before the first byte of its answer.
mutation SetFallback {
  routeFallbackSet(input: {
    route: { name: "qwen3-8b" }
    fallback: {
      backends: [{ providerModel: {
        provider: "openai", model: "gpt-4o-mini"
      } }]
    }
  }) {
    userErrors { code message path }
    route {
      fallback { backends { label } triggers }
    }
  }
}
`,
  },
  {
    query: `# 5 Existing server
# Any OpenAI-compatible server: which models it
# has, a route for one of them, a key for it, and
# what it used.
mutation Ask {
  providerProbe(input: {
    draft: { baseUrl: "http://127.0.0.1:11434/v1" }
  }) {
    userErrors { code message path }
    latencyMs
    models { upstreamModel categories }
  }
}

mutation AddServer {
  providerCreate(input: {
    name: "ollama"
    baseUrl: "http://127.0.0.1:11434/v1"
    models: [{ upstreamModel: "llama3.2" }]
  }) {
    userErrors { code message path }
    provider { id }
  }
}

mutation RouteIt {
  providerRouteCreate(input: {
    provider: { name: "ollama" }
  }) {
    userErrors { code message path }
    route { id name }
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
    route: { name: "llama3.2" }
    access: {
      policy: RESTRICTED
      apiKeyIds: ["ID OF THE KEY"]
    }
  }) {
    userErrors { code message path }
    route { access { policy apiKeys { name } } }
  }
}

query Usage {
  usage(
    range: { from: "2026-01-01T00:00:00Z" }
    groupBy: [ROUTE, API_KEY]
  ) {
    totals { requests inputTokens outputTokens cost }
    rows {
      group { labels }
      metrics { requests outputTokens cost }
    }
  }
}
`,
  },
  {
    query: `# Is it well?
# What is wrong, since when, why, and what to do,
# worst first. Empty: nothing.
query Problems {
  problems {
    severity
    code
    since
    summary
    remedy
    subject { id __typename }
  }
}

# The same, live.
subscription ProblemsChanged {
  problemsChanged {
    at
    problems { severity code summary remedy }
  }
}
`,
  },
  {
    query: `# Colleague
# Who may change models and routes, but not users
# or the keys of others.
mutation AddColleague {
  userCreate(input: {
    name: "sam"
    role: OPERATOR
  }) {
    userErrors { code message path }
    user { id name }
  }
}

# The secret is shown this once.
mutation KeyForColleague {
  apiKeyCreate(input: {
    name: "laptop of sam"
    ownerId: "ID OF THE USER"
    scopes: [INFERENCE, CONFIG_READ, CONFIG_WRITE, TRAFFIC_WRITE, USAGE_READ]
  }) {
    userErrors { code message path }
    secret
    apiKey { id prefix }
  }
}
`,
  },
  {
    query: `# Rotate a key
# Keys and their ends.
query Keys {
  apiKeys(first: 50) {
    edges { node {
      id name state expiresAt lastUsedAt
    } }
  }
}

# A second secret for the same key: routes, grants
# and usage stay. Both are good for an hour.
mutation Rotate {
  apiKeyRotate(input: {
    id: "ID OF THE KEY"
    overlapMs: 3600000
    reason: "yearly"
  }) {
    userErrors { code message path }
    secret
    apiKey { id prefix }
  }
}
`,
  },
  {
    query: `# Prices
# USD per million tokens; what is used from now on
# is billed by it.
mutation SetPrice {
  providerModelUpdate(input: {
    model: {
      provider: "ollama", model: "llama3.2"
    }
    pricing: {
      inputPerMillion: "0.02"
      outputPerMillion: "0.06"
    }
  }) {
    userErrors { code message path }
    provider {
      models {
        label
        pricing { inputPerMillion outputPerMillion }
      }
    }
  }
}
`,
  },
  {
    query: `# Why fallback?
# Where a request would go now, and why not
# elsewhere.
query Why {
  routeExplain(input: {
    model: "qwen3-8b"
    apiKeyId: "ID OF YOUR KEY"
  }) {
    refusal
    candidates {
      backend { label }
      isFallback
      probability
      availability
    }
  }
}

# Requests that took more than one attempt, with
# what each upstream said.
query Attempts {
  requestLogs(
    first: 10
    filter: { retried: true }
  ) {
    edges { node {
      id routeName status outcome
      attempts { backendLabel status trigger error }
    } }
  }
}
`,
  },
  {
    query: `# Roll back
# What was changed, by whom and why.
query History {
  route(by: { name: "qwen3-8b" }) {
    revision
    revisions(first: 10) {
      edges { node {
        number createdAt actorLabel reason
      } }
    }
  }
}

# A new revision that is like an older one.
mutation TakeItBack {
  routeRollback(input: {
    route: { name: "qwen3-8b" }
    toRevision: 1
    reason: "worse answers"
  }) {
    userErrors { code message path }
    route {
      revision
      targets { backend { label } weight }
    }
  }
}
`,
  },
  {
    query: `# Limits
# How much may come, of whom. \`per\` counts each
# of its keys apart. OBSERVE only counts what it
# would refuse: try a limit before you mean it.
mutation AddLimit {
  rateLimitCreate(input: {
    subject: { installation: true }
    per: [API_KEY]
    requestsPerMinute: 600
    tokensPerMinute: 200000
    enforcement: OBSERVE
    reason: "what would it refuse?"
  }) {
    userErrors { code message path }
    rateLimit { id }
  }
}

# Who is near to it, most used first.
query Limits {
  rateLimits(first: 20) {
    edges { node {
      id
      requestsPerMinute
      enforcement
      states(first: 5) {
        edges { node {
          labels
          requestsLeft
          refusedLastHour
          wouldRefuseLastHour
        } }
      }
    } }
  }
}

# From now on it refuses.
mutation EnforceLimit {
  rateLimitUpdate(input: {
    id: "ID OF THE LIMIT"
    enforcement: ENFORCE
  }) {
    userErrors { code message path }
    rateLimit { revision enforcement }
  }
}
`,
  },
  {
    query: `# Budgets
# What may be spent. SKIP_PRICED: when it is used
# up, models of your own go on.
mutation AddBudget {
  budgetCreate(input: {
    subject: { installation: true }
    amount: "100"
    period: MONTH
    onExhausted: SKIP_PRICED
  }) {
    userErrors { code message path }
    budget { id }
  }
}

# What is spent, and the day it runs out.
query Budgets {
  budgets(first: 20) {
    edges { node {
      id
      amount
      period
      states(first: 5) {
        edges { node {
          labels spent remaining runsOutAt
        } }
      }
    } }
  }
}

# More, for this period only.
mutation RaiseBudget {
  budgetRaise(input: {
    id: "ID OF THE BUDGET"
    amount: "25"
    reason: "the launch"
  }) {
    userErrors { code message path }
    budget {
      states(first: 1) {
        edges { node { remaining } }
      }
    }
  }
}
`,
  },
]
